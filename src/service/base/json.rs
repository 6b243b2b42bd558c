//! Reads single values out of a large JSON object while it streams by, for the inspectors of bodies and the meter.
//!
//! A body has up to 32 MB, typically 76 kB, nearly all of it in values that the service does not need, and a second key
//! `model` is an attack (A30). Of the libraries that were read none takes pieces, shows repeated keys and skips values
//! at the speed of a byte search, all three (`docs/decisions/0002-own-json-walk.md`).
//!
//! Only the levels that hold wanted keys are understood; deeper levels are skipped at the speed of a byte search. Only
//! wanted values are kept, so a 30 MB body costs no memory here. The scanner does not validate: it reports bytes that
//! it cannot follow as [`JsonError`], and the upstream judges the rest.

mod elements;
mod error;
mod list;
mod mention;
mod message;
mod named;
mod page;
mod places;
mod references;
mod requests;
mod skim;
mod walk;
mod wanted;

pub(crate) use self::elements::ListElements;
pub(crate) use self::error::JsonError;
pub(crate) use self::mention::{Mention, MessageKey};
pub(crate) use self::message::{MessageDepth, MessageScanner};
pub(crate) use self::named::NamedTexts;
pub(crate) use self::page::ListPage;
pub(crate) use self::references::{ReferenceScanner, RequestReferences};
pub(crate) use self::requests::RequestsScanner;
use self::walk::Walk;

/// Finds the values of some top-level keys in a JSON object that arrives in pieces.
pub(crate) struct ObjectScanner<const N: usize> {
    walk: Walk,
    found: [Found; N],
    /// The raw text of the value that is being read.
    text: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Found {
    /// The key has not come yet.
    #[default]
    Nothing,
    /// The value as raw JSON.
    Value(Vec<u8>),
    /// The key came more than once. Parsers differ on which one counts.
    Repeated,
    /// The value is longer than [`skim::MAX_VALUE`].
    TooLong,
}

impl<const N: usize> ObjectScanner<N> {
    pub(crate) fn new(keys: &'static [&'static str; N]) -> Self {
        Self::of_first(N, keys)
    }

    /// As [`new`](Self::new), for the first `used` of the keys; the others are skipped like unknown ones.
    pub(crate) fn of_first(used: usize, keys: &'static [&'static str; N]) -> Self {
        Self { walk: Walk::new(&keys[..used]), found: [const { Found::Nothing }; N], text: Vec::new() }
    }

    /// Whether the object is closed.
    pub(crate) fn is_complete(&self) -> bool {
        self.walk.is_over()
    }

    /// `index` counts the keys in the order in which they were given.
    pub(crate) fn found(&self, index: usize) -> &Found {
        &self.found[index]
    }

    /// After [`JsonError`] the scanner must not be fed again.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        let Self { walk, found, text } = self;
        let mut at = 0;
        while at < bytes.len() {
            at += walk.step(&bytes[at..], |index, part, ended| {
                skim::keep_value(text, part);
                if ended {
                    found[index].add(std::mem::take(text));
                }
            })?;
        }
        Ok(())
    }
}

impl Found {
    /// Adds a value of the key; a second one makes it [`Repeated`](Self::Repeated).
    fn add(&mut self, raw: Vec<u8>) {
        let value = if raw.len() > skim::MAX_VALUE { Self::TooLong } else { Self::Value(raw) };
        *self = if *self == Self::Nothing { value } else { Self::Repeated };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &[u8], piece: usize) -> Result<(Found, Found, bool), JsonError> {
        let mut scanner = ObjectScanner::new(&["model", "usage"]);
        for bytes in text.chunks(piece) {
            scanner.feed(bytes)?;
        }
        Ok((scanner.found(0).clone(), scanner.found(1).clone(), scanner.walk.is_over()))
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
            assert_eq!(scan(text.as_bytes(), 2), Err(JsonError), "{text}");
        }
        let utf16: Vec<u8> = "{\"model\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(scan(&utf16, 64), Err(JsonError));
    }

    #[test]
    fn a33_depth_and_length_cost_no_memory() {
        let deep = [b"{\"a\":".as_slice(), &b"[".repeat(100_000), &b"]".repeat(100_000), b",\"model\":\"m\"}"].concat();
        assert_eq!(scan(&deep, 4096).unwrap().0, value("\"m\""));
        let long = [b"{\"model\":\"".as_slice(), &b"m".repeat(skim::MAX_VALUE), b"\"}"].concat();
        assert!(scan(&long, 1000).unwrap().0 == Found::TooLong);
    }
}
