//! Gives the elements of one top-level list of an object that arrives in pieces, each whole.

use super::JsonError;
use super::skim::{self, MAX_VALUE, Skim};
use super::walk::Walk;

/// Holds one element at a time. Elements longer than [`MAX_VALUE`] are left out; so is all of a value that is no list.
pub(crate) struct ListElements {
    walk: Walk,
    list: List,
}

#[derive(Default)]
struct List {
    state: ElementsState,
    skim: Skim,
    /// The element that is being read.
    text: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum ElementsState {
    #[default]
    Before,
    Between,
    InElement,
    /// The list is closed, or the value is no list.
    Over,
}

impl ListElements {
    /// Reads the list under this key.
    pub(crate) fn of(key: &'static [&'static str; 1]) -> Self {
        Self { walk: Walk::new(key), list: List::default() }
    }

    /// Hands each element that ends in `bytes` to `element`. After [`JsonError`] the scanner must not be fed again.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut element: impl FnMut(&[u8])) -> Result<(), JsonError> {
        let Self { walk, list } = self;
        let mut at = 0;
        while at < bytes.len() {
            at += walk.step(&bytes[at..], |_, part, _| list.read(part, &mut element))?;
        }
        Ok(())
    }
}

impl List {
    fn read(&mut self, mut part: &[u8], element: &mut impl FnMut(&[u8])) {
        while let Some(&byte) = part.first() {
            let used = match (self.state, byte) {
                (ElementsState::Over, _) => return,
                (ElementsState::InElement, _) => self.read_element(part, element),
                (_, b' ' | b'\t' | b'\n' | b'\r') | (ElementsState::Between, b',') => 1,
                (ElementsState::Before, b'[') => {
                    self.state = ElementsState::Between;
                    1
                }
                // No value begins with the last two, and skipping one would make no progress here.
                (ElementsState::Before, _) | (ElementsState::Between, b']' | b'}' | b':') => {
                    self.state = ElementsState::Over;
                    1
                }
                (ElementsState::Between, _) => {
                    self.state = ElementsState::InElement;
                    0
                }
            };
            part = &part[used..];
        }
    }

    fn read_element(&mut self, part: &[u8], element: &mut impl FnMut(&[u8])) -> usize {
        let (length, ended) = self.skim.value_part(part);
        skim::keep_value(&mut self.text, &part[..length]);
        if ended {
            if self.text.len() <= MAX_VALUE {
                element(&self.text);
            }
            self.text.clear();
            self.state = ElementsState::Between;
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> Result<Vec<String>, JsonError> {
        let (mut scanner, mut found) = (ListElements::of(&["content"]), Vec::new());
        text.as_bytes().chunks(piece).try_for_each(|bytes| {
            scanner.feed(bytes, |element| found.push(String::from_utf8(element.to_vec()).unwrap()))
        })?;
        Ok(found)
    }

    #[test]
    fn f82_each_element_is_found_whole_however_the_bytes_are_cut() {
        let object = r#"{ "a":"]}\"" , "content":[{"b":[1,{}]}] }"#;
        let text = format!(
            r#"{{"x":[{{"content":["no"]}}],"cont\u0065nt" : [ {object},"[,]\"", -1.5e3 ,[{{"c":"}}"}}],null,true ] ,"y":["no"]}}"#
        );
        let expected = [object, r#""[,]\"""#, "-1.5e3 ", r#"[{"c":"}"}]"#, "null", "true "];
        for piece in 1..text.len() {
            assert_eq!(scan(&text, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_value_that_is_no_list_has_no_elements() {
        for value in ["[]", " [ ] ", r#""[1]""#, r#"{"content":[1],"x":[{}]}"#, "null", "7"] {
            assert_eq!(scan(&format!(r#"{{"content":{value},"x":["content",1]}}"#), 3), Ok(Vec::new()), "{value}");
        }
        assert_eq!(scan(r#"{"content":[1],"content":[2]}"#, 3), Ok(vec!["1".to_owned()]), "the first list");
        assert_eq!(scan(r#"{"content":[{"a":1"#, 3), Ok(Vec::new()), "it never ends");
        for text in ["[1]", "\u{feff}{}", "x"] {
            assert_eq!(scan(text, 3), Err(JsonError), "{text}");
        }
    }

    #[test]
    fn a33_an_element_that_is_too_long_costs_no_memory_and_the_next_one_is_found() {
        let mut scanner = ListElements::of(&["content"]);
        let mut found = Vec::new();
        scanner.feed(br#"{"content":["#, |_| unreachable!("there is none")).unwrap();
        scanner.feed(b"\"", |_| unreachable!("it has not ended")).unwrap();
        for _ in 0..64 {
            scanner.feed(&[b'x'; 16 * 1024], |_| unreachable!("it has not ended")).unwrap();
        }
        assert!(scanner.list.text.capacity() <= 4 * MAX_VALUE, "{}", scanner.list.text.capacity());
        scanner.feed(br#"",{"a":1}]}"#, |element| found.push(element.to_vec())).unwrap();
        assert_eq!(found, [br#"{"a":1}"#.to_vec()]);
    }
}
