//! Finds the wanted values in a list of objects that arrives in pieces, and in the lists below it.

use super::JsonError;
use super::mention::Mention;
use super::skim::{self, Skim};
use super::walk::Walk;
use super::wanted::{Lead, Wanted};

/// A list of objects. An object in place of the list is read like an element.
pub(super) struct ObjectList {
    wanted: &'static Wanted,
    /// How many objects are still read that stand in each other: this list's, theirs, and so on.
    levels_left: usize,
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
    wanted: &'static Wanted,
    levels_left: usize,
    walk: Walk,
    /// The values that have come.
    values: Vec<Mention>,
    /// The raw text of the value that is being read.
    text: Vec<u8>,
    /// The list below that is being read.
    below: Option<Box<ObjectList>>,
}

impl ObjectList {
    pub(super) fn new(wanted: &'static Wanted) -> Self {
        Self::with_levels(wanted, DEEPEST)
    }

    fn with_levels(wanted: &'static Wanted, levels_left: usize) -> Self {
        let (state, skim) = (ListState::Between, Skim::default());
        Self { wanted, levels_left, place: Nesting::Alone, state, skim, text: Vec::new() }
    }

    /// Adds the values of each element that ends in `bytes` to `found`. [`JsonError`] means that an element cannot be
    /// read or told from the next one; the list must not be fed after that.
    pub(super) fn feed(&mut self, mut bytes: &[u8], found: &mut Vec<Mention>) -> Result<(), JsonError> {
        while let Some(&byte) = bytes.first() {
            let used = match &mut self.state {
                ListState::Between => self.begin(byte, found)?,
                ListState::InObject(object) => {
                    let used = object.feed_to_end(bytes, found)?;
                    if object.walk.is_over() {
                        let uncapped = Mention::uncapped(&object.values);
                        found.append(&mut object.values);
                        found.extend(uncapped);
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
    fn begin(&mut self, byte: u8, found: &mut Vec<Mention>) -> Result<usize, JsonError> {
        let (state, used) = match (byte, self.place) {
            (b' ' | b'\t' | b'\n' | b'\r', _) | (b',', Nesting::InList) => (ListState::Between, 1),
            (b'[', Nesting::Alone) => {
                self.place = Nesting::InList;
                (ListState::Between, 1)
            }
            (b']', Nesting::InList) => (ListState::Over, 1),
            // No value begins with one of these, and skipping a value would make no progress here.
            (b',' | b']' | b'}' | b':', _) => return Err(JsonError),
            (b'{', _) if self.levels_left > 0 => {
                (ListState::InObject(Box::new(Element::new(self.wanted, self.levels_left - 1))), 0)
            }
            (b'"', _) => (ListState::InText, 0),
            // A number or a word in place of the whole list says nothing.
            (b'{', _) | (_, Nesting::InList) => {
                found.push(Mention::unreadable());
                (ListState::InOther, 0)
            }
            (_, Nesting::Alone) => (ListState::InOther, 0),
        };
        self.state = state;
        Ok(used)
    }

    /// Reads a part of an element that is not an object.
    fn read_plain(&mut self, bytes: &[u8], found: &mut Vec<Mention>) -> usize {
        let (length, ended) = self.skim.value_part(bytes);
        let key = self.wanted.text.filter(|_| matches!(self.state, ListState::InText));
        if key.is_some() {
            skim::keep_value(&mut self.text, &bytes[..length]);
        }
        if ended {
            if let Some(key) = key {
                found.push(Mention::once(key, std::mem::take(&mut self.text)));
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
    fn new(wanted: &'static Wanted, levels_left: usize) -> Self {
        Self { wanted, levels_left, walk: Walk::new(wanted.keys), values: Vec::new(), text: Vec::new(), below: None }
    }

    /// Reads up to the byte that closes the object. Returns the number of bytes it read. What stands below goes to
    /// `found`, the object's own values to [`values`](Self::values).
    fn feed_to_end(&mut self, bytes: &[u8], found: &mut Vec<Mention>) -> Result<usize, JsonError> {
        let Self { wanted, levels_left, walk, values, text, below } = self;
        let (mut at, mut read) = (0, Ok(()));
        while at < bytes.len() && !walk.is_over() {
            at += walk.step(&bytes[at..], |key, part, ended| match wanted.leads[key] {
                Lead::Value(key) => {
                    skim::keep_value(text, part);
                    if ended {
                        Mention::add(values, key.below(), std::mem::take(text));
                    }
                }
                Lead::Objects(inner) => {
                    let list = below.get_or_insert_with(|| Box::new(ObjectList::with_levels(inner, *levels_left)));
                    read = list.feed(part, found);
                    if ended {
                        *below = None;
                    }
                }
            })?;
            read?;
        }
        Ok(at)
    }
}

/// A tool that a fallback adds behind the content of a document, in a tool's result, in its conversation. Each list in which
/// a byte stands costs a look at it.
const DEEPEST: usize = 8;
