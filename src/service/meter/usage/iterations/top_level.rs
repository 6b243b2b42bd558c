//! The top level of a usage object, beside its iterations.

use super::iteration::Iteration;
use crate::service::meter::usage::Tokens;
use crate::service::meter::usage::stated::Stated;

/// The top level of a usage.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::service::meter::usage) struct TopLevel {
    pub tokens: Tokens,
    pub stated: Stated,
}

impl TopLevel {
    /// Whether a count of the answer is assumed. `own` is the sum of its entries, `tokens` what is billed for it.
    pub(super) fn is_assumed(&self, answer: &[&Iteration], own: &Tokens, tokens: &Tokens) -> bool {
        let split = answer.iter().map(|entry| entry.stated().split_writes).fold(0, u64::saturating_add);
        // The bill is the sum over the entries. Where the top level says more than they do, one of both is incomplete.
        !self.stated.is_whole()
            || !tokens.is_as_much_as(own)
            || tokens.written() > split.max(self.stated.split_writes)
            || answer.iter().any(|entry| entry.kind.0.is_none() || entry.counts().has_unreadable())
    }
}
