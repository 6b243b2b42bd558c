//! Reads single values out of a large JSON object while it streams by.
//!
//! Only the top level is understood; everything below it is skipped at the speed of a byte search. Nothing is kept but
//! the values asked for, so a 30 MB body costs no memory here. The scanner does not validate: what it cannot follow it
//! reports as [`Malformed`], and the upstream judges the rest.

mod named;
mod requests;
mod skim;

pub(super) use self::named::NamedTexts;
pub(super) use self::requests::RequestsScanner;
use self::skim::Skim;

/// Finds the values of some top-level keys in a JSON object that arrives in pieces.
pub(super) struct ObjectScanner<const N: usize> {
    keys: [&'static str; N],
    found: [Found; N],
    state: State,
    skim: Skim,
    /// The raw text of the key that is being read, or of the value that was asked for.
    text: Vec<u8>,
    /// The wanted key whose value is being read.
    wanted: Option<usize>,
}

/// What was found for one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Found {
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
pub(super) struct Malformed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    BeforeObject,
    BeforeKey { first: bool },
    InKey,
    BeforeColon,
    BeforeValue,
    InValue,
    AfterValue,
    AfterObject,
}

impl<const N: usize> ObjectScanner<N> {
    /// Looks for `keys`.
    #[must_use]
    pub(super) fn new(keys: [&'static str; N]) -> Self {
        Self {
            keys,
            found: [const { Found::Nothing }; N],
            state: State::BeforeObject,
            skim: Skim::default(),
            text: Vec::new(),
            wanted: None,
        }
    }

    /// What is known of key number `index`.
    #[must_use]
    pub(super) fn found(&self, index: usize) -> &Found {
        &self.found[index]
    }

    /// Whether the object is closed.
    #[must_use]
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::AfterObject
    }

    /// Reads the next bytes up to the one that ends the last missing value.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub(super) fn feed_until_found(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.feed_while(bytes, |found| found.contains(&Found::Nothing))
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// [`Malformed`]; the scanner must not be fed after that.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.feed_while(bytes, |_| true)
    }

    fn feed_while(&mut self, mut bytes: &[u8], goes_on: impl Fn(&[Found; N]) -> bool) -> Result<(), Malformed> {
        while let Some(&byte) = bytes.first()
            && goes_on(&self.found)
        {
            let used = match self.state {
                State::InKey => self.read_key(bytes)?,
                State::InValue => self.read_value(bytes),
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => 1,
                _ => self.read_structure(byte)?,
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// One byte between keys and values. Answers how many bytes it used: none, when the byte belongs to the value.
    fn read_structure(&mut self, byte: u8) -> Result<usize, Malformed> {
        self.state = match (self.state, byte) {
            (State::BeforeObject, b'{') => State::BeforeKey { first: true },
            (State::BeforeKey { .. }, b'"') => {
                self.text.clear();
                State::InKey
            }
            (State::BeforeKey { first: true } | State::AfterValue, b'}') => State::AfterObject,
            (State::BeforeColon, b':') => State::BeforeValue,
            (State::BeforeValue, byte) if !matches!(byte, b',' | b'}' | b']' | b':') => {
                self.text.clear();
                self.state = State::InValue;
                return Ok(0);
            }
            (State::AfterValue, b',') => State::BeforeKey { first: false },
            _ => return Err(Malformed),
        };
        Ok(1)
    }

    fn read_key(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let (length, ended) = self.skim.string_part(bytes);
        skim::keep_key(&mut self.text, &bytes[..length]);
        if !ended {
            return Ok(length);
        }
        self.wanted = skim::spelled(&self.text, &self.keys)?;
        self.state = State::BeforeColon;
        Ok(length + 1)
    }

    /// Skips or keeps a part of the value and answers how many bytes it used.
    fn read_value(&mut self, bytes: &[u8]) -> usize {
        let (length, ended) = self.skim.value_part(bytes);
        if let Some(index) = self.wanted {
            skim::keep_value(&mut self.text, &bytes[..length]);
            if ended {
                self.found[index].add(std::mem::take(&mut self.text));
            }
        }
        if ended {
            self.state = State::AfterValue;
        }
        length
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
        let long = [b"{\"model\":\"".as_slice(), &b"m".repeat(100_000), b"\"}"].concat();
        assert_eq!(scan(&long, 1000).unwrap().0, Found::TooLong);
    }
}
