//! Finds the strings under one key, at any depth, in JSON that arrives in pieces.

use memchr::memchr;

use super::JsonError;
use super::skim::{self, MAX_VALUE, Skim};

/// Understands only strings, and which of them are keys; brackets are ignored. A value that is not a string is skipped. So
/// is an object under one of the `free` keys, with all that it holds.
pub(crate) struct NamedTexts {
    key: &'static str,
    free: &'static [&'static str],
    skim: Skim,
    state: NamedTextsState,
    /// The raw text of the string that is being read, as far as it is needed.
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NamedTextsState {
    Between,
    InString,
    /// A colon makes the string a key.
    AfterString,
    /// After the key and its colon.
    BeforeValue,
    InValue,
    /// After a free key and its colon.
    BeforeFree,
    InFree,
}

impl NamedTexts {
    pub(crate) fn new(key: &'static str, free: &'static [&'static str]) -> Self {
        Self { key, free, skim: Skim::default(), state: NamedTextsState::Between, text: Vec::new() }
    }

    /// Adds the strings under the key in `bytes` to `found`. [`JsonError`] means that a key or a wanted string cannot
    /// be read; the scanner must not be fed after that.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], found: &mut Vec<String>) -> Result<(), JsonError> {
        while let Some(&byte) = bytes.first() {
            let used = match self.state {
                NamedTextsState::Between => self.find_string(bytes),
                NamedTextsState::InString => self.read_string(bytes),
                NamedTextsState::InValue => self.read_value(bytes, found)?,
                NamedTextsState::InFree => self.skip_free(bytes),
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => 1,
                NamedTextsState::AfterString => self.after_string(byte)?,
                NamedTextsState::BeforeValue => self.before_value(byte),
                NamedTextsState::BeforeFree => self.before_free(byte),
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    fn find_string(&mut self, bytes: &[u8]) -> usize {
        let Some(quote) = memchr(b'"', bytes) else { return bytes.len() };
        self.text.clear();
        self.state = NamedTextsState::InString;
        quote + 1
    }

    fn read_string(&mut self, bytes: &[u8]) -> usize {
        let (length, ended) = self.skim.string_part(bytes);
        skim::keep_key(&mut self.text, &bytes[..length]);
        if !ended {
            return length;
        }
        self.state = NamedTextsState::AfterString;
        length + 1
    }

    fn after_string(&mut self, byte: u8) -> Result<usize, JsonError> {
        self.state = NamedTextsState::Between;
        if byte != b':' {
            return Ok(0);
        }
        if skim::spelled(&self.text, &[self.key])?.is_some() {
            self.state = NamedTextsState::BeforeValue;
        } else if skim::spelled(&self.text, self.free)?.is_some() {
            self.state = NamedTextsState::BeforeFree;
        }
        Ok(1)
    }

    fn before_value(&mut self, byte: u8) -> usize {
        if byte != b'"' {
            self.state = NamedTextsState::Between;
            return 0;
        }
        self.text.clear();
        self.state = NamedTextsState::InValue;
        1
    }

    fn before_free(&mut self, byte: u8) -> usize {
        self.state = if byte == b'{' { NamedTextsState::InFree } else { NamedTextsState::Between };
        0
    }

    fn skip_free(&mut self, bytes: &[u8]) -> usize {
        let (length, ended) = self.skim.value_part(bytes);
        if ended {
            self.state = NamedTextsState::Between;
        }
        length
    }

    fn read_value(&mut self, bytes: &[u8], found: &mut Vec<String>) -> Result<usize, JsonError> {
        let (length, ended) = self.skim.string_part(bytes);
        skim::keep_value(&mut self.text, &bytes[..length]);
        if !ended {
            return Ok(length);
        }
        if self.text.len() > MAX_VALUE {
            return Err(JsonError);
        }
        found.push(skim::unquoted(&self.text)?);
        self.state = NamedTextsState::Between;
        Ok(length + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> Result<Vec<String>, JsonError> {
        let (mut scanner, mut found) = (NamedTexts::new("file_id", &["input"]), Vec::new());
        text.as_bytes().chunks(piece).try_for_each(|bytes| scanner.feed(bytes, &mut found))?;
        Ok(found)
    }

    #[test]
    fn texts_are_found_at_any_depth_however_the_bytes_are_cut() {
        let text = r#"{"file_id":"a","x":[{"file_id" : "b\"c"},"file_id","d"],"file_id":null,
            "y":"\"file_id\":\"no\"","z":{"\u0066ile\u005fid":"e"},"file_ids":"f","file_id":{"file_id":"g"}}"#;
        for piece in 1..text.len() {
            assert_eq!(scan(text, piece).unwrap(), ["a", "b\"c", "e", "g"], "pieces of {piece}");
        }
    }

    #[test]
    fn a_free_object_names_nothing_and_what_follows_it_does() {
        let text = r#"{"input" : {"file_id":"no","x":["}",{"file_id":"no"}]},"file_id":"a","inpu\u0074":{"file_id":"no"},
            "input":[{"file_id":"b"}],"input":"file_id","x":["input",{"file_id":"c"}],"inputs":{"file_id":"d"},
            "input":{},"source":{"file_id":"e","input":{"file_id":"no"}}}"#;
        for piece in 1..text.len() {
            assert_eq!(scan(text, piece).unwrap(), ["a", "b", "c", "d", "e"], "pieces of {piece}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_is_malformed_and_an_unwanted_text_is_not() {
        assert_eq!(scan(r#"{"\ud800":1}"#, 3), Err(JsonError));
        assert_eq!(scan(r#"{"a":"\ud800"}"#, 3), Ok(Vec::new()));
        assert_eq!(scan(r#"{"file_id":"\ud800"}"#, 3), Err(JsonError));
        assert_eq!(scan(&format!(r#"{{"file_id":"{}"}}"#, "x".repeat(MAX_VALUE + 1)), 100), Err(JsonError));
    }
}
