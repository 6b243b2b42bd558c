//! The top level of a usage object, beside its iterations.

use super::entry::Entry;
use crate::service::meter::usage::Tokens;
use crate::service::meter::usage::stated::Stated;

/// The top level of a usage.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::service::meter::usage) struct TopLevel {
    pub tokens: Tokens,
    pub stated: Stated,
    /// Its output without the count of a stream's first event, which states one before there is any.
    pub counted_output: u64,
}

impl TopLevel {
    /// Its tokens beside those of entries. `split_writes` are the cache writes of which the entries say the lifetime: unless
    /// it says more, theirs goes over its own. The last event of a stream does not split its writes, and its entries do.
    pub(super) fn beside(&self, entries: &Tokens, split_writes: u64) -> Tokens {
        let tokens = Tokens { output_tokens: self.counted_output, ..self.tokens };
        let is_split_here = self.stated.split_writes > split_writes;
        if is_split_here { tokens } else { tokens.with_hours(entries.cache_write_1h_tokens) }
    }

    /// Whether a count of the answer is assumed. `own` is the sum of its entries, `tokens` what is billed for it.
    pub(super) fn is_assumed(&self, answer: &[Entry<'_>], own: &Tokens, tokens: &Tokens) -> bool {
        // The bill is the sum over the entries. Where the top level says more than they do, one of both is incomplete.
        !self.stated.is_whole()
            || !tokens.is_as_much_as(own)
            || tokens.written() > Entry::split_writes(answer).max(self.stated.split_writes)
            || answer.iter().any(|entry| entry.iteration.is_vague())
    }
}
