//! An entry of an answer, with the tokens that are billed for it.

use super::iteration::{Iteration, ModelTokens};
use crate::service::meter::usage::Tokens;

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) iteration: &'a Iteration,
    pub(super) tokens: Tokens,
}

impl<'a> Entry<'a> {
    pub(super) fn of(iteration: &'a Iteration) -> Self {
        Self { iteration, tokens: iteration.tokens() }
    }

    pub(super) fn sum(entries: &[Self]) -> Tokens {
        entries.iter().fold(Tokens::default(), |sum, entry| sum.plus(&entry.tokens))
    }

    /// The cache writes of which the entries say the lifetime.
    pub(super) fn split_writes(entries: &[Self]) -> u64 {
        entries.iter().map(|entry| entry.iteration.stated().split_writes).fold(0, u64::saturating_add)
    }

    /// The cache writes of which the entry does not say the lifetime. They count as five minutes.
    pub(super) fn unsplit_writes(&self) -> u64 {
        self.tokens.written().saturating_sub(self.iteration.stated().split_writes)
    }

    /// Counts up to `hours` of these as writes for an hour, entry by entry. Returns what is left of `hours`.
    pub(super) fn share_out(entries: &mut [Self], hours: u64) -> u64 {
        entries.iter_mut().fold(hours, |hours, entry| entry.take_hours(hours))
    }

    fn take_hours(&mut self, hours: u64) -> u64 {
        let taken = hours.min(self.unsplit_writes());
        self.tokens = self.tokens.with_hours(self.tokens.cache_write_1h_tokens + taken);
        hours - taken
    }

    /// The tokens of work beside the answer. Where there was a fallback, an attempt was declined, and what the API names no
    /// model for is of the model that was asked.
    pub(super) fn share(&self, asked: Option<&str>, has_fallback: bool) -> ModelTokens {
        let is_declined = has_fallback && self.iteration.is_attempt();
        let is_of_asked = is_declined || (has_fallback && self.iteration.is_compaction());
        let asked = is_of_asked.then(|| asked.unwrap_or_default());
        let model = self.iteration.model().or(asked).map(Box::from);
        ModelTokens { model, tokens: self.tokens, is_free: is_declined && self.tokens.output_tokens == 0 }
    }
}
