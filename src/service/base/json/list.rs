//! Finds one key in each object of a list that arrives in pieces.

use super::skim::{self, Skim};
use super::{Found, JsonError, ObjectScanner};

/// A list of objects. An object in place of the list is read like an element. A string, as an element or in place of
/// the list, counts as the value of the key.
pub(super) struct ObjectList {
    key: &'static str,
    place: Nesting,
    state: ListState,
    skim: Skim,
    /// The raw text of the current element, if it is a string.
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nesting {
    /// No `[` has come, so the value may be a single element.
    Alone,
    InList,
}

enum ListState {
    Between,
    InObject(Box<ObjectScanner<1>>),
    InText,
    /// In a value that is neither an object nor a string.
    InOther,
    Over,
}

impl ObjectList {
    pub(super) fn new(key: &'static str) -> Self {
        Self { key, place: Nesting::Alone, state: ListState::Between, skim: Skim::default(), text: Vec::new() }
    }

    /// Adds the value of each element that ends in `bytes` to `found`. [`JsonError`] means that an element cannot be
    /// read or told from the next one; the list must not be fed after that.
    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut Vec<Found>) -> Result<(), JsonError> {
        while let Some(&byte) = bytes.first() {
            let used = match &mut self.state {
                ListState::Between => self.begin(byte)?,
                ListState::InObject(object) => {
                    let used = object.feed_to_end(bytes)?;
                    if object.is_complete() {
                        found.extend(Some(object.found(0).clone()).filter(|model| *model != Found::Nothing));
                        self.end_element();
                    }
                    used
                }
                ListState::InText | ListState::InOther => self.read_plain(bytes, found),
                ListState::Over => return Ok(()),
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Reads one byte before or between elements. Returns 0 when the byte belongs to an element.
    fn begin(&mut self, byte: u8) -> Result<usize, JsonError> {
        let (state, used) = match (byte, self.place) {
            (b' ' | b'\t' | b'\n' | b'\r', _) | (b',', Nesting::InList) => (ListState::Between, 1),
            (b'[', Nesting::Alone) => {
                self.place = Nesting::InList;
                (ListState::Between, 1)
            }
            (b']', Nesting::InList) => (ListState::Over, 1),
            // No value begins with one of these, and skipping a value would make no progress here.
            (b',' | b']' | b'}' | b':', _) => return Err(JsonError),
            (b'{', _) => (ListState::InObject(Box::new(ObjectScanner::new([self.key]))), 0),
            (b'"', _) => (ListState::InText, 0),
            _ => (ListState::InOther, 0),
        };
        self.state = state;
        Ok(used)
    }

    /// Reads a part of an element that is not an object.
    fn read_plain(&mut self, bytes: &[u8], found: &mut Vec<Found>) -> usize {
        let (length, ended) = self.skim.value_part(bytes);
        let is_text = matches!(self.state, ListState::InText);
        if is_text {
            skim::keep_value(&mut self.text, &bytes[..length]);
        }
        if ended {
            if is_text {
                let mut text = Found::Nothing;
                text.add(std::mem::take(&mut self.text));
                found.push(text);
            }
            self.end_element();
        }
        length
    }

    fn end_element(&mut self) {
        self.state = if self.place == Nesting::InList { ListState::Between } else { ListState::Over };
    }
}
