//! The events of a stream, as far as they say what an answer used and which model gave it.

use serde::Deserialize;

use super::lenient::{LenientObject, LenientText};
use super::reference::AnswerContainer;
use super::stop::StopDetails;
use super::usage_object::Usage;

#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default, rename = "type")]
    pub(super) kind: LenientText,
}

#[derive(Deserialize)]
pub(super) struct MessageStart {
    pub(super) message: Message,
}

#[derive(Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) model: LenientText,
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) stop_reason: LenientText,
    #[serde(default)]
    pub(super) stop_details: LenientObject<StopDetails>,
    #[serde(default)]
    pub(super) container: LenientObject<AnswerContainer>,
}

/// A `message_start` as far as it names the message. Few requests need it, so it is read apart.
#[derive(Deserialize)]
pub(super) struct IdentifiedStart {
    pub(super) message: Identified,
}

#[derive(Deserialize)]
pub(super) struct Identified {
    #[serde(default)]
    pub(super) id: LenientText,
}

/// The start of a block, read as far as `T` does.
#[derive(Deserialize)]
pub(super) struct BlockStart<T> {
    pub(super) content_block: LenientObject<T>,
}

/// A block that says which model goes on, if it is of the type `fallback`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FallbackBlock {
    #[serde(rename = "type")]
    kind: LenientText,
    to: LenientObject<FallbackModel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FallbackModel {
    model: LenientText,
}

impl FallbackBlock {
    pub(super) fn model(self) -> Option<Box<str>> {
        self.to.0.filter(|_| self.kind.0.as_deref() == Some("fallback")).and_then(|to| to.model.0)
    }
}

#[derive(Deserialize)]
pub(super) struct MessageDelta {
    #[serde(default)]
    pub(super) delta: LenientObject<Delta>,
    pub(super) usage: Option<Usage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta {
    pub(super) stop_reason: LenientText,
    pub(super) stop_details: LenientObject<StopDetails>,
    pub(super) container: LenientObject<AnswerContainer>,
}
