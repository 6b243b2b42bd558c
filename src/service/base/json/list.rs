//! Finds one key in each object of a list that arrives in pieces.

use super::skim::{self, Skim};
use super::{Found, Malformed, ObjectScanner};

/// A list of objects. An object in place of the list is read like an element. A string, as an element or in place of
/// the list, counts as the value of the key.
pub(super) struct ObjectList {
    key: &'static str,
    place: Place,
    state: State,
    skim: Skim,
    /// The raw text of the current element, if it is a string.
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// No `[` has come, so the value may be a single element.
    Alone,
    InList,
}

enum State {
    Between,
    InObject(Box<ObjectScanner<1>>),
    InText,
    /// In a value that is neither an object nor a string.
    InOther,
    Over,
}

impl ObjectList {
    pub(super) fn new(key: &'static str) -> Self {
        Self { key, place: Place::Alone, state: State::Between, skim: Skim::default(), text: Vec::new() }
    }

    /// Adds the value of each element that ends in `bytes` to `found`. [`Malformed`] means that an element cannot be
    /// read or told from the next one; the list must not be fed after that.
    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut Vec<Found>) -> Result<(), Malformed> {
        while let Some(&byte) = bytes.first() {
            let used = match &mut self.state {
                State::Between => self.begin(byte)?,
                State::InObject(object) => {
                    let used = object.feed_to_end(bytes)?;
                    if object.is_complete() {
                        found.extend(Some(object.found(0).clone()).filter(|model| *model != Found::Nothing));
                        self.end_element();
                    }
                    used
                }
                State::InText | State::InOther => self.read_plain(bytes, found),
                State::Over => return Ok(()),
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Reads one byte before or between elements. Returns 0 when the byte belongs to an element.
    fn begin(&mut self, byte: u8) -> Result<usize, Malformed> {
        match (byte, self.place) {
            (b' ' | b'\t' | b'\n' | b'\r', _) | (b',', Place::InList) => {}
            (b'[', Place::Alone) => self.place = Place::InList,
            (b']', Place::InList) => self.state = State::Over,
            // No value begins with one of these, and skipping a value would make no progress here.
            (b',' | b']' | b'}' | b':', _) => return Err(Malformed),
            (b'{', _) => {
                self.state = State::InObject(Box::new(ObjectScanner::new([self.key])));
                return Ok(0);
            }
            (b'"', _) => {
                self.state = State::InText;
                return Ok(0);
            }
            _ => {
                self.state = State::InOther;
                return Ok(0);
            }
        }
        Ok(1)
    }

    /// Reads a part of an element that is not an object.
    fn read_plain(&mut self, bytes: &[u8], found: &mut Vec<Found>) -> usize {
        let (length, ended) = self.skim.value_part(bytes);
        let is_text = matches!(self.state, State::InText);
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
        self.state = if self.place == Place::InList { State::Between } else { State::Over };
    }
}
