//! What an answer leaves at the upstream: later requests can refer to it by its id.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Tokens;
use super::iterations::Iteration;
use super::lenient::LenientText;
use crate::service::base::enum_names::enum_names;

/// A message, a container or a file that a request may refer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub kind: ReferenceKind,
    /// The id that the upstream gave.
    pub id: Box<str>,
    /// The length of the conversation that ends with a message; `None` if unknown, and for all else.
    pub tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// Message threads go on from it, and diagnostics compare with it.
    Message,
    /// Code execution keeps files in it.
    Container,
    /// Code execution has made it.
    File,
}

enum_names!(ReferenceKind { Message = "message", Container = "container", File = "file" });

/// The `container` of an answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnswerContainer {
    pub(super) id: LenientText,
}

impl ReferenceKind {
    /// How long the upstream keeps it at the most after the answer; `None` for what it keeps until it is deleted.
    pub fn life(self) -> Option<Duration> {
        match self {
            Self::Message => Some(Duration::from_secs(3600)),
            Self::Container => Some(Duration::from_secs(30 * 24 * 3600)),
            Self::File => None,
        }
    }
}

impl Reference {
    /// No id of the upstream is longer.
    pub const LONGEST_ID: usize = 256;

    /// Whether the upstream could have given this id. No id that it gives has other characters.
    pub fn may_be_id(id: &str) -> bool {
        (1..=Self::LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Whether it is the id of an object that is safe in a path.
    pub fn is_object_id(id: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (1..=LONGEST_OBJECT_ID).contains(&id.len()) && id.bytes().all(is_plain)
    }

    pub(super) fn message(id: Option<Box<str>>, tokens: Option<u64>) -> Option<Self> {
        Self::of(ReferenceKind::Message, id, tokens)
    }

    pub(super) fn container(id: Option<Box<str>>) -> Option<Self> {
        Self::of(ReferenceKind::Container, id, None)
    }

    pub(super) fn file(id: Box<str>) -> Option<Self> {
        Self::is_object_id(&id).then_some(Self { kind: ReferenceKind::File, id, tokens: None })
    }

    fn of(kind: ReferenceKind, id: Option<Box<str>>, tokens: Option<u64>) -> Option<Self> {
        let id = id.filter(|id| Self::may_be_id(id))?;
        Some(Self { kind, id, tokens })
    }
}

/// The length of the conversation that an answer ends: its prompt, cached or not, and its output. The top level of a usage need
/// not be that of its longest round, so the longest of all counts.
pub(super) fn conversation(top: &Tokens, iterations: &[Iteration]) -> u64 {
    let length = |tokens: &Tokens| tokens.by_price().into_iter().fold(0, u64::saturating_add);
    let rounds = iterations.iter().filter(|entry| entry.is_attempt()).map(|entry| length(&entry.tokens()));
    rounds.fold(length(top), u64::max)
}

/// Ids of batches and files have about 30 characters.
const LONGEST_OBJECT_ID: usize = 128;
