//! Why an answer stopped, as far as that decides whether it is billed.
//!
//! The API does not bill an answer that a classifier refused before any output, but for some categories of refusals
//! (Anthropic API, "Refusals and fallbacks").

use serde::Deserialize;

use super::lenient::{LenientObject, LenientText};

/// The reason for which an answer stopped, in an answer or in the last event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Stop {
    pub(super) stop_reason: LenientText,
    pub(super) stop_details: LenientObject<StopDetails>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct StopDetails {
    category: LenientText,
}

impl Stop {
    /// Whether it states a reason. Events in the middle of a stream say `null`, which changes nothing.
    pub(super) fn is_stated(&self) -> bool {
        self.stop_reason.0.is_some()
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.stop_reason.0.as_deref() == Some("refusal")
    }

    /// Whether it is a refusal that is free unless output came before it.
    pub(super) fn is_free_refusal(&self) -> bool {
        self.is_refusal() && !self.category().is_some_and(|name| BILLED.contains(&name))
    }

    /// Whether its category is a new one, of which nobody has said whether its refusals are billed.
    pub(super) fn is_unlisted(&self) -> bool {
        self.category().is_some_and(|name| !BILLED.contains(&name) && !FREE.contains(&name))
    }

    fn category(&self) -> Option<&str> {
        self.stop_details.0.as_ref().and_then(|details| details.category.0.as_deref())
    }
}

/// Categories whose refusals are billed.
const BILLED: [&str; 3] = ["bio", "frontier_llm", "reasoning_extraction"];

/// The other categories. A refusal without a category is free, too.
const FREE: [&str; 2] = ["cyber", "general_harms"];
