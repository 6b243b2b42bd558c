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
    /// `None` is the model that gave the answer.
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
    pub(super) kind: LenientText,
    pub(super) model: LenientText,
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

    /// Whether the entry is a try at the answer, and not work beside it.
    pub(super) fn is_attempt(&self) -> bool {
        matches!(self.kind.0.as_deref(), None | Some("message" | "fallback_message"))
    }

    pub(super) fn is_by(&self, model: Option<&str>) -> bool {
        match (self.model.0.as_deref(), model) {
            (None, _) => true,
            (Some(own), Some(model)) => is_same_model(own, model),
            (Some(_), None) => false,
        }
    }

    pub(super) fn tokens(&self) -> Tokens {
        let mut tokens = Tokens::default();
        tokens.merge(&self.counts());
        tokens
    }

    pub(super) fn stated(&self) -> Stated {
        Stated::of(&self.counts())
    }

    pub(super) fn counts(&self) -> Counts<'_> {
        Counts {
            input: self.input_tokens,
            output: self.output_tokens,
            cache_read: self.cache_read_input_tokens,
            cache_write: self.cache_creation_input_tokens,
            split: self.cache_creation.0.as_ref(),
        }
    }

    /// The tokens of work beside the answer. Where there was a fallback, an attempt was declined; if it leaves its model out,
    /// that is the one that was asked.
    pub(super) fn share(&self, asked: Option<&str>, has_fallback: bool) -> ModelTokens {
        let tokens = self.tokens();
        let is_declined = has_fallback && self.is_attempt();
        let asked = asked.filter(|_| is_declined).map(Box::from);
        let is_free = is_declined && tokens.output_tokens == 0;
        ModelTokens { model: self.model.0.clone().or(asked), tokens, is_free }
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
