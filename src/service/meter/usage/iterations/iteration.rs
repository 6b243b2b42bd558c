//! One entry of `usage.iterations`.

use serde::Deserialize;

use crate::service::base::model_id::is_same_model;
use crate::service::meter::usage::Tokens;
use crate::service::meter::usage::lenient::{Count, LenientObject, LenientObjects, LenientText};
use crate::service::meter::usage::stated::Stated;
use crate::service::meter::usage::tokens::{CacheCreation, Counts};

/// Tokens spent on an answer beside the answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTokens {
    /// `None` is the model that gave the answer, an empty name a model that nothing tells.
    pub model: Option<Box<str>>,
    pub tokens: Tokens,
    /// An attempt that was refused before any output. It has no price.
    pub is_free: bool,
}

pub(in crate::service::meter::usage) type Iterations = LenientObjects<Iteration>;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(in crate::service::meter::usage) struct Iteration {
    #[serde(rename = "type")]
    kind: LenientText,
    model: LenientText,
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: LenientObject<CacheCreation>,
}

impl Iteration {
    pub(super) fn is_fallback(&self) -> bool {
        self.kind.0.as_deref() == Some("fallback_message")
    }

    pub(super) fn is_compaction(&self) -> bool {
        self.kind.0.as_deref() == Some("compaction")
    }

    pub(super) fn model(&self) -> Option<&str> {
        self.model.0.as_deref()
    }

    /// Whether the entry is a try at the answer, and not work beside it.
    pub(in crate::service::meter::usage) fn is_attempt(&self) -> bool {
        matches!(self.kind.0.as_deref(), None | Some("message" | "fallback_message"))
    }

    pub(super) fn is_by(&self, model: Option<&str>) -> bool {
        match (self.model(), model) {
            (None, _) => true,
            (Some(own), Some(model)) => is_same_model(own, model),
            (Some(_), None) => false,
        }
    }

    pub(in crate::service::meter::usage) fn tokens(&self) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.merge(&self.counts());
        tokens
    }

    pub(super) fn stated(&self) -> Stated {
        Stated::of(&self.counts())
    }

    fn counts(&self) -> Counts<'_> {
        Counts {
            input: self.input_tokens,
            output: self.output_tokens,
            cache_read: self.cache_read_input_tokens,
            cache_write: self.cache_creation_input_tokens,
            split: self.cache_creation.0.as_ref(),
        }
    }

    /// Whether it does not say what it is, or has a count that cannot be read.
    pub(super) fn is_vague(&self) -> bool {
        self.kind.0.is_none() || self.counts().has_unreadable()
    }

    /// Whether the price of work beside the answer is certain. The API names no model for compaction, which is the work of
    /// the model that was asked, and may leave that model out of a round.
    pub(super) fn has_certain_price(&self) -> bool {
        let has_model = match self.kind.0.as_deref() {
            Some("message" | "compaction") => true,
            Some("advisor_message") => self.model.0.is_some(),
            // What else there is may be charged in another way.
            _ => false,
        };
        has_model && self.stated().is_all_of(&self.tokens())
    }
}
