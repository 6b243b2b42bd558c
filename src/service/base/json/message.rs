//! Reads what a request for a message says of models, price, features and payer, while the request streams by.

use super::list::ObjectList;
use super::mention::{Mention, MessageKey};
use super::places;
use super::walk::Walk;
use super::wanted::{Lead, Wanted};
use super::{Found, JsonError, skim};

/// Reads the values at the top level, and what the lists below name ([`places`]).
pub(crate) struct MessageScanner {
    wanted: &'static Wanted,
    walk: Walk,
    found: [Found; MessageKey::TOP],
    /// The raw text of the value that is being read.
    text: Vec<u8>,
    /// The list that is being read.
    list: Option<Box<ObjectList>>,
}

/// What is read of a message. Everything else is skipped and costs no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageDepth {
    Model,
    /// The values that decide the price, too.
    Price,
    /// All models that may run and all features, too.
    Whole,
    /// Only who pays or is meant.
    Payer,
}

impl MessageScanner {
    pub(crate) fn new(depth: MessageDepth) -> Self {
        let wanted = match depth {
            MessageDepth::Model => &places::MODEL,
            MessageDepth::Price => &places::PRICE,
            MessageDepth::Whole => &places::WHOLE,
            MessageDepth::Payer => &places::PAYER,
        };
        let found = [const { Found::Nothing }; MessageKey::TOP];
        Self { wanted, walk: Walk::new(wanted.keys), found, text: Vec::new(), list: None }
    }

    /// The value of a key that can stand at the top level.
    pub(crate) fn found(&self, key: MessageKey) -> &Found {
        &self.found[key as usize]
    }

    /// The values at the top level that are read, those too that have not come.
    pub(crate) fn values(&self) -> impl Iterator<Item = (MessageKey, &Found)> {
        self.wanted.leads.iter().filter_map(|lead| match *lead {
            Lead::Value(key) => Some((key, self.found(key))),
            Lead::Objects(_) => None,
        })
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.walk.is_over()
    }

    /// Adds what the lists in `bytes` name to `below`. After [`JsonError`] the scanner must not be fed again.
    pub(crate) fn feed(&mut self, bytes: &[u8], below: &mut Vec<Mention>) -> Result<(), JsonError> {
        self.feed_while(bytes, below, |_| true)
    }

    /// Reads up to the end of the first `model`.
    pub(crate) fn feed_to_model(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.feed_while(bytes, &mut Vec::new(), |found| found[MessageKey::Model as usize] == Found::Nothing)
    }

    fn feed_while(
        &mut self,
        bytes: &[u8],
        below: &mut Vec<Mention>,
        goes_on: impl Fn(&[Found]) -> bool,
    ) -> Result<(), JsonError> {
        let Self { wanted, walk, found, text, list } = self;
        let (mut at, mut read) = (0, Ok(()));
        while at < bytes.len() && goes_on(found) {
            at += walk.step(&bytes[at..], |key, part, ended| match wanted.leads[key] {
                Lead::Value(key) => {
                    skim::keep_value(text, part);
                    if ended {
                        found[key as usize].add(std::mem::take(text));
                    }
                }
                Lead::Objects(inner) => {
                    read = list.get_or_insert_with(|| Box::new(ObjectList::new(inner))).feed(part, below);
                    if ended {
                        *list = None;
                    }
                }
            })?;
            read?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
