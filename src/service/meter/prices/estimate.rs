//! What a request may cost, before it runs.
//!
//! This is what budgets reserve. It is meant to lie above the true cost; the difference comes back when the request is
//! settled. It can lie below for what is not in the body: files and pages that are named by an id or a URL, and what
//! server tools read.

use std::time::SystemTime;

use super::{Conditions, Cost, Prices};
use crate::service::meter::usage::Tokens;

/// A request as far as it is known before it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ask {
    /// The length of its body in bytes; unknown when the body is compressed or its end is not here yet.
    pub body: Option<u64>,
    /// Its `max_tokens`, if it could be read.
    pub max_tokens: Option<u64>,
    /// What it asks for that changes the price.
    pub conditions: Conditions,
}

impl Prices {
    /// The most that a request to `model` at the moment `at` is expected to cost. What is unknown counts as the largest
    /// there is.
    ///
    /// # Panics
    /// Never: of three costs one is the largest.
    #[must_use]
    pub fn estimate(&self, model: &str, at: SystemTime, ask: &Ask) -> Cost {
        let prompt = ask.body.map_or(self.largest_prompt, |bytes| prompt_of(bytes).min(self.largest_prompt));
        // More than the largest is refused by the API, which costs nothing.
        let output_tokens = ask.max_tokens.unwrap_or(self.largest_output).min(self.largest_output);
        let output = Tokens { output_tokens, ..Tokens::default() };
        // Whether the prompt goes to the cache, and for how long, is the request's to say somewhere inside.
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

/// A token of English or code has three to four bytes, one of Chinese at least two.
fn prompt_of(body: u64) -> u64 {
    (body / BYTES_PER_TOKEN).saturating_add(SYSTEM_TOKENS)
}

const BYTES_PER_TOKEN: u64 = 2;

/// What the API adds to a prompt that uses tools.
const SYSTEM_TOKENS: u64 = 1_000;
