//! Finds the values at the end of a path through lists of objects, which arrive in pieces.

use super::skim::{self, Skim};
use super::walk::Walk;
use super::{Found, JsonError};

/// The keys that lead to a value, the outermost first. Behind each but the last one an object or a list of objects follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub keys: &'static [&'static str],
    /// Whether a string, as an element or in place of the list, counts as the value.
    pub takes_texts: bool,
}

/// A list of objects. An object in place of the list is read like an element.
pub(super) struct ObjectList {
    path: Path,
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
    InObject(Box<Element>),
    InText,
    /// In a value that is neither an object nor a string.
    InOther,
    Over,
}

/// An object of the list.
struct Element {
    walk: Walk<1>,
    value: ElementValue,
}

enum ElementValue {
    /// The value of the last key, and its raw text while it is read.
    Last {
        found: Found,
        text: Vec<u8>,
    },
    Deeper(ObjectList),
}

impl ObjectList {
    pub(super) fn new(path: Path) -> Self {
        Self { path, place: Nesting::Alone, state: ListState::Between, skim: Skim::default(), text: Vec::new() }
    }

    /// Adds the value of each element that ends in `bytes` to `found`. [`JsonError`] means that an element cannot be
    /// read or told from the next one; the list must not be fed after that.
    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut Vec<Found>) -> Result<(), JsonError> {
        while let Some(&byte) = bytes.first() {
            let used = match &mut self.state {
                ListState::Between => self.begin(byte)?,
                ListState::InObject(object) => {
                    let used = object.feed_to_end(bytes, found)?;
                    if object.walk.is_over() {
                        found.extend(object.last().filter(|value| *value != Found::Nothing));
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
            (b'{', _) => (ListState::InObject(Box::new(Element::new(self.path))), 0),
            (b'"', _) => (ListState::InText, 0),
            _ => (ListState::InOther, 0),
        };
        self.state = state;
        Ok(used)
    }

    /// Reads a part of an element that is not an object.
    fn read_plain(&mut self, bytes: &[u8], found: &mut Vec<Found>) -> usize {
        let (length, ended) = self.skim.value_part(bytes);
        let is_text = self.path.takes_texts && matches!(self.state, ListState::InText);
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

impl Element {
    fn new(path: Path) -> Self {
        let [key, deeper @ ..] = path.keys else { unreachable!("a path has a key") };
        let value = match deeper {
            [] => ElementValue::Last { found: Found::Nothing, text: Vec::new() },
            keys => ElementValue::Deeper(ObjectList::new(Path { keys, takes_texts: false })),
        };
        Self { walk: Walk::new([key]), value }
    }

    /// Reads up to the byte that closes the object. Returns the number of bytes it read.
    fn feed_to_end(&mut self, bytes: &[u8], values: &mut Vec<Found>) -> Result<usize, JsonError> {
        let Self { walk, value } = self;
        let (mut at, mut read) = (0, Ok(()));
        while at < bytes.len() && !walk.is_over() {
            at += walk.step(&bytes[at..], |_, part, ended| match value {
                ElementValue::Last { found, text } => {
                    skim::keep_value(text, part);
                    if ended {
                        found.add(std::mem::take(text));
                    }
                }
                ElementValue::Deeper(list) => {
                    read = list.feed(part, values);
                    if ended {
                        *list = ObjectList::new(list.path);
                    }
                }
            })?;
            read?;
        }
        Ok(at)
    }

    /// The value of the last key, if this object is where the path ends.
    fn last(&mut self) -> Option<Found> {
        match &mut self.value {
            ElementValue::Last { found, .. } => Some(std::mem::take(found)),
            ElementValue::Deeper(_) => None,
        }
    }
}
