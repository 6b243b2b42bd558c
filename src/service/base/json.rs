//! Reads single values out of a large JSON object while it streams by.
//!
//! Only as many levels are understood as are asked for; everything below is skipped at the speed of a byte search. Nothing
//! is kept but the values asked for, so a 30 MB body costs no memory here. The scanner does not validate: what it cannot follow it
//! reports as [`Malformed`], and the upstream judges the rest.

mod list;
mod models;
mod named;
mod requests;
mod skim;
mod walk;

pub(crate) use self::models::ModelsScanner;
pub(crate) use self::named::NamedTexts;
pub(crate) use self::requests::{Asked, RequestsScanner};
use self::walk::Walk;

/// Finds the values of some top-level keys in a JSON object that arrives in pieces.
pub(crate) struct ObjectScanner<const N: usize> {
    walk: Walk<N>,
    found: [Found; N],
    /// The raw text of the value that is being read.
    text: Vec<u8>,
}

/// What was found for one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Found {
    /// The key has not come.
    #[default]
    Nothing,
    /// Its value, as raw JSON.
    Value(Vec<u8>),
    /// The key came more than once. Parsers differ on which one counts.
    Repeated,
    /// The value is longer than any sensible one.
    TooLong,
}

/// The bytes are not a JSON object, as far as the top level shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<const N: usize> ObjectScanner<N> {
    /// Looks for `keys`.
    #[must_use]
    pub(crate) fn new(keys: [&'static str; N]) -> Self {
        Self { walk: Walk::new(keys), found: [const { Found::Nothing }; N], text: Vec::new() }
    }

    /// What is known of key number `index`.
    #[must_use]
    pub(crate) fn found(&self, index: usize) -> &Found {
        &self.found[index]
    }

    /// Whether the object is closed.
    #[must_use]
    pub(crate) fn is_complete(&self) -> bool {
        self.walk.is_over()
    }

    /// Reads the next bytes up to the one that ends the last missing value.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub(crate) fn feed_until_found(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.feed_while(bytes, |scanner| scanner.found.contains(&Found::Nothing)).map(|_| ())
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// [`Malformed`]; the scanner must not be fed after that.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.feed_while(bytes, |_| true).map(|_| ())
    }

    /// Reads the next bytes up to the one that closes the object; how many these are.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    fn feed_to_end(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        self.feed_while(bytes, |scanner| !scanner.is_complete())
    }

    fn feed_while(&mut self, bytes: &[u8], goes_on: impl Fn(&Self) -> bool) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && goes_on(self) {
            let Self { walk, found, text } = self;
            at += walk.step(&bytes[at..], |index, part, ended| {
                skim::keep_value(text, part);
                if ended {
                    found[index].add(std::mem::take(text));
                }
            })?;
        }
        Ok(at)
    }
}

impl Found {
    /// The key has come, with this value.
    fn add(&mut self, raw: Vec<u8>) {
        let value = if raw.len() > skim::MAX_VALUE { Self::TooLong } else { Self::Value(raw) };
        *self = if *self == Self::Nothing { value } else { Self::Repeated };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &[u8], piece: usize) -> Result<(Found, Found, bool), Malformed> {
        let mut scanner = ObjectScanner::new(["model", "usage"]);
        for bytes in text.chunks(piece) {
            scanner.feed(bytes)?;
        }
        Ok((scanner.found(0).clone(), scanner.found(1).clone(), scanner.is_complete()))
    }

    fn value(raw: &str) -> Found {
        Found::Value(raw.as_bytes().to_vec())
    }

    #[test]
    fn values_are_found_however_the_bytes_are_cut() {
        let text = br#" {"a":{"model":"inner","x":["}\"]",1]},"n":-1.5e3,"model" : "claude-\"x\"","t":true,"usage":{"in":[1,2]} } "#;
        for piece in 1..text.len() {
            let expected = (value(r#""claude-\"x\"""#), value(r#"{"in":[1,2]}"#), true);
            assert_eq!(scan(text, piece), Ok(expected), "pieces of {piece}");
        }
    }

    #[test]
    fn a30_a_repeated_or_escaped_key_is_the_same_key() {
        let repeated = br#"{"model":"a","\u006dodel":"b"}"#;
        assert_eq!(scan(repeated, 3).unwrap().0, Found::Repeated);
        assert_eq!(scan(br#"{"mod\u0065l":"a"}"#, 1).unwrap().0, value("\"a\""));
        assert_eq!(scan(br#"{"Model":"a","model ":"b"}"#, 5).unwrap().0, Found::Nothing);
    }

    #[test]
    fn a30_bytes_that_are_no_object_are_malformed() {
        for text in ["[1]", "\u{feff}{}", "{\"a\" 1}", "{,}", "{\"a\":}", "{} {}", "{\"a\":1,}", "x=1"] {
            assert_eq!(scan(text.as_bytes(), 2), Err(Malformed), "{text}");
        }
        let utf16: Vec<u8> = "{\"model\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(scan(&utf16, 64), Err(Malformed));
    }

    #[test]
    fn a33_depth_and_length_cost_no_memory() {
        let deep = [b"{\"a\":".as_slice(), &b"[".repeat(100_000), &b"]".repeat(100_000), b",\"model\":\"m\"}"].concat();
        assert_eq!(scan(&deep, 4096).unwrap().0, value("\"m\""));
        let long = [b"{\"model\":\"".as_slice(), &b"m".repeat(skim::MAX_VALUE), b"\"}"].concat();
        assert!(scan(&long, 1000).unwrap().0 == Found::TooLong);
    }
}
