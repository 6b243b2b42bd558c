//! What an answer leaves at the upstream: later requests can refer to it by its id.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Tokens;
use super::lenient::LenientText;
use crate::service::base::enum_names::enum_names;

/// A message or a container that a request may refer to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub kind: ReferenceKind,
    /// The id that the upstream gave.
    pub id: Box<str>,
    /// The length of the conversation that ends with a message; `None` if unknown, and for a container.
    pub tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// Message threads go on from it, and diagnostics compare with it.
    Message,
    /// Code execution keeps files in it.
    Container,
}

enum_names!(ReferenceKind { Message = "message", Container = "container" });

/// The `container` of an answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnswerContainer {
    pub(super) id: LenientText,
}

impl ReferenceKind {
    /// How long the upstream keeps it at the most after the answer.
    pub fn life(self) -> Duration {
        match self {
            Self::Message => Duration::from_secs(3600),
            Self::Container => Duration::from_secs(30 * 24 * 3600),
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

    pub(super) fn message(id: Option<Box<str>>, tokens: Option<u64>) -> Option<Self> {
        Self::of(ReferenceKind::Message, id, tokens)
    }

    pub(super) fn container(id: Option<Box<str>>) -> Option<Self> {
        Self::of(ReferenceKind::Container, id, None)
    }

    fn of(kind: ReferenceKind, id: Option<Box<str>>, tokens: Option<u64>) -> Option<Self> {
        let id = id.filter(|id| Self::may_be_id(id))?;
        Some(Self { kind, id, tokens })
    }
}

/// The length of the conversation that an answer ends: its prompt, cached or not, and its output.
pub(super) fn conversation(tokens: &Tokens) -> u64 {
    tokens.by_price().into_iter().fold(0, u64::saturating_add)
}
