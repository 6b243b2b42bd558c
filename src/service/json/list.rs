//! Finds one key in each object of a list that arrives in pieces.

use super::skim::{self, Skim};
use super::{Found, ObjectScanner};

/// A list of objects. A text in the list, or in its place, stands for what an object would say under the key.
pub(super) struct ObjectList {
    key: &'static str,
    state: State,
    skim: Skim,
    /// The raw text of the element, as far as it is a text.
    text: Vec<u8>,
}

enum State {
    Before,
    Between,
    InObject(Box<ObjectScanner<1>>),
    InText {
        in_list: bool,
    },
    /// In something that says nothing.
    InOther,
    /// Nothing more is looked for.
    Over,
}

impl ObjectList {
    /// Looks for `key`.
    pub(super) fn new(key: &'static str) -> Self {
        Self { key, state: State::Before, skim: Skim::default(), text: Vec::new() }
    }

    /// Reads the next bytes of the list, and adds what each element says that ends in them.
    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut Vec<Found>) {
        while let Some(&byte) = bytes.first() {
            let used = match &mut self.state {
                State::Before | State::Between => self.begin(byte),
                State::InObject(_) => self.read_object(bytes, found),
                State::InText { .. } => self.read_text(bytes, found),
                State::InOther => {
                    let (length, ended) = self.skim.value_part(bytes);
                    if ended {
                        self.state = State::Between;
                    }
                    length
                }
                State::Over => return,
            };
            bytes = &bytes[used..];
        }
    }

    /// One byte before or between elements; none is used when it belongs to an element.
    fn begin(&mut self, byte: u8) -> usize {
        let in_list = matches!(self.state, State::Between);
        self.state = match byte {
            b' ' | b'\t' | b'\n' | b'\r' => return 1,
            b',' if in_list => return 1,
            b'[' if !in_list => State::Between,
            b']' => State::Over,
            b'"' => {
                self.text.clear();
                State::InText { in_list }
            }
            _ if !in_list => State::Over,
            b'{' => State::InObject(Box::new(ObjectScanner::new([self.key]))),
            _ => State::InOther,
        };
        usize::from(matches!(self.state, State::Between | State::Over))
    }

    fn read_object(&mut self, bytes: &[u8], found: &mut Vec<Found>) -> usize {
        let State::InObject(object) = &mut self.state else { return bytes.len() };
        // What cannot be read here, no other can read; it is passed on to be told so.
        let Ok(used) = object.feed_to_end(bytes) else {
            self.state = State::Over;
            return bytes.len();
        };
        if object.is_complete() {
            if *object.found(0) != Found::Nothing {
                found.push(object.found(0).clone());
            }
            self.state = State::Between;
        }
        used
    }

    fn read_text(&mut self, bytes: &[u8], found: &mut Vec<Found>) -> usize {
        let (length, ended) = self.skim.value_part(bytes);
        skim::keep_value(&mut self.text, &bytes[..length]);
        if ended {
            let mut text = Found::Nothing;
            text.add(std::mem::take(&mut self.text));
            found.push(text);
            let in_list = matches!(self.state, State::InText { in_list: true });
            self.state = if in_list { State::Between } else { State::Over };
        }
        length
    }
}
