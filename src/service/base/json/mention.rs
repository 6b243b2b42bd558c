//! What a scanner reports of a message: values, each with what it says.

use super::Found;

/// What a value of a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKey {
    Model,
    MaxTokens,
    Speed,
    InferenceGeo,
    ServiceTier,
    Thread,
    Container,
    McpServers,
    BillingPolicy,
    UserProfile,
    Workspace,
    /// The model of a tool or of a fallback.
    OtherModel,
    /// The `type` of a tool.
    ToolType,
    /// The `type` of a tool that says no `max_tokens`.
    UncappedTool,
    /// One of the betas that a body names.
    Beta,
    /// An element of a list that is neither an object nor a text, or an object in more lists than are followed.
    Unreadable,
}

/// A value that stands below the top level of a message, or in a request of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    pub key: MessageKey,
    pub found: Found,
}

impl MessageKey {
    /// How many of the keys, the first ones, can have a value at the top level of a message.
    pub(super) const TOP: usize = Self::Workspace as usize + 1;

    /// What a key at the top level of a message says in an object below it.
    pub(super) fn below(self) -> Self {
        if self == Self::Model { Self::OtherModel } else { self }
    }
}

impl Mention {
    /// Adds a value to those of one object. A second one of the same key makes it [`Found::Repeated`].
    pub(super) fn add(mentions: &mut Vec<Self>, key: MessageKey, raw: Vec<u8>) {
        if let Some(known) = mentions.iter_mut().find(|known| known.key == key) {
            known.found.add(raw);
            return;
        }
        mentions.push(Self::once(key, raw));
    }

    pub(super) fn once(key: MessageKey, raw: Vec<u8>) -> Self {
        let mut found = Found::Nothing;
        found.add(raw);
        Self { key, found }
    }

    pub(super) fn unreadable() -> Self {
        Self { key: MessageKey::Unreadable, found: Found::Nothing }
    }

    /// What it says that the object of these values has a `type` and no `max_tokens`, if it is a tool.
    pub(super) fn uncapped(values: &[Self]) -> Option<Self> {
        let of = |key: MessageKey| values.iter().find(|value| value.key == key).map(|value| &value.found);
        let kind = of(MessageKey::ToolType)?;
        let is_uncapped = match of(MessageKey::MaxTokens) {
            None => true,
            Some(Found::Value(raw)) => raw.trim_ascii() == b"null",
            Some(_) => false,
        };
        is_uncapped.then(|| Self { key: MessageKey::UncappedTool, found: kind.clone() })
    }
}
