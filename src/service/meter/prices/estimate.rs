//! The expected upper bound of a request's cost before it runs, for budgets to reserve.
//!
//! It should lie above the true cost, and settling gives the difference back. It can lie below for content outside the
//! body: files and pages that are named by an id or a URL, and what server tools read.

use std::time::SystemTime;

use super::{Conditions, Cost, Prices};
use crate::service::meter::usage::Tokens;

/// The facts of a request that are known before it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EstimateInput {
    /// In bytes; `None` when the body is compressed or has not arrived to its end.
    pub body: Option<u64>,
    /// `None` when `max_tokens` could not be read.
    pub max_tokens: Option<u64>,
    /// Tokens of the prompt that the upstream has kept and the body lacks (a message thread); the largest number if
    /// unknown.
    pub kept: u64,
    pub conditions: Conditions,
}

impl Prices {
    /// The most that a request to `model` is expected to cost at `at`. An unknown size counts as the largest there is.
    ///
    /// # Panics
    /// Never: of three costs one is the largest.
    pub fn estimate(&self, model: &str, at: SystemTime, ask: &EstimateInput) -> Cost {
        let whole = |bytes| prompt_of(bytes).saturating_add(ask.kept).min(self.largest_prompt);
        let prompt = ask.body.map_or(self.largest_prompt, whole);
        // The API refuses a request for more than the largest output, which costs nothing.
        let output_tokens = ask.max_tokens.unwrap_or(self.largest_output).min(self.largest_output);
        let output = Tokens { output_tokens, ..Tokens::default() };
        // The body says whether the prompt goes to the cache and for how long. It is not read for this, so the dearest
        // counts.
        [
            Tokens { input_tokens: prompt, ..output },
            Tokens { cache_write_5m_tokens: prompt, ..output },
            Tokens { cache_write_1h_tokens: prompt, ..output },
        ]
        .iter()
        .map(|tokens| self.cost_under(model, at, tokens, &ask.conditions))
        .max_by_key(|cost| cost.amount)
        .expect("of three costs one is the largest")
    }
}

/// A token of English or code has three to four bytes, a token of Chinese at least two.
fn prompt_of(body: u64) -> u64 {
    (body / BYTES_PER_TOKEN).saturating_add(SYSTEM_TOKENS)
}

const BYTES_PER_TOKEN: u64 = 2;

/// The tokens that the API adds to a prompt with tools.
const SYSTEM_TOKENS: u64 = 1_000;
