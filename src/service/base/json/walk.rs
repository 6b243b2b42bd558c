//! Walks through a JSON object that arrives in pieces: its top-level keys, and the values of the wanted ones.

use super::JsonError;
use super::skim::{self, Skim};

pub(super) struct Walk {
    /// The wanted keys.
    keys: &'static [&'static str],
    state: WalkState,
    skim: Skim,
    /// The raw text of the key that is being read.
    key: Vec<u8>,
    /// The wanted key whose value is being read.
    wanted: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WalkState {
    BeforeObject,
    BeforeKey { first: bool },
    InKey,
    BeforeColon,
    BeforeValue,
    InValue,
    AfterValue,
    AfterObject,
}

impl Walk {
    pub(super) fn new(keys: &'static [&'static str]) -> Self {
        Self { keys, state: WalkState::BeforeObject, skim: Skim::default(), key: Vec::new(), wanted: None }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == WalkState::AfterObject
    }

    /// Takes one step into `bytes`, which must not be empty. Returns the number of bytes it used. Each part of a wanted
    /// value goes to `value`, with the number of its key and whether it is the last part. After [`JsonError`] no
    /// further step is possible.
    pub(super) fn step(&mut self, bytes: &[u8], mut value: impl FnMut(usize, &[u8], bool)) -> Result<usize, JsonError> {
        match (self.state, bytes[0]) {
            (WalkState::InKey, _) => self.read_key(bytes),
            (WalkState::InValue, _) => {
                let (length, ended) = self.skim.value_part(bytes);
                if let Some(index) = self.wanted {
                    value(index, &bytes[..length], ended);
                }
                if ended {
                    self.state = WalkState::AfterValue;
                }
                Ok(length)
            }
            (_, b' ' | b'\t' | b'\n' | b'\r') => Ok(1),
            (_, byte) => self.read_structure(byte),
        }
    }

    /// Reads one byte between keys and values. Returns 0 when the byte belongs to the value.
    fn read_structure(&mut self, byte: u8) -> Result<usize, JsonError> {
        self.state = match (self.state, byte) {
            (WalkState::BeforeObject, b'{') => WalkState::BeforeKey { first: true },
            (WalkState::BeforeKey { .. }, b'"') => {
                self.key.clear();
                WalkState::InKey
            }
            (WalkState::BeforeKey { first: true } | WalkState::AfterValue, b'}') => WalkState::AfterObject,
            (WalkState::BeforeColon, b':') => WalkState::BeforeValue,
            (WalkState::BeforeValue, byte) if !matches!(byte, b',' | b'}' | b']' | b':') => {
                self.state = WalkState::InValue;
                return Ok(0);
            }
            (WalkState::AfterValue, b',') => WalkState::BeforeKey { first: false },
            _ => return Err(JsonError),
        };
        Ok(1)
    }

    fn read_key(&mut self, bytes: &[u8]) -> Result<usize, JsonError> {
        let (length, ended) = self.skim.string_part(bytes);
        skim::keep_key(&mut self.key, &bytes[..length]);
        if !ended {
            return Ok(length);
        }
        self.wanted = skim::spelled(&self.key, self.keys)?;
        self.state = WalkState::BeforeColon;
        Ok(length + 1)
    }
}
