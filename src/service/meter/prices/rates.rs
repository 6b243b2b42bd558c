//! Arithmetic of prices: exact to the millionth of a micro-dollar, rounded up once at the end of each sum.

use crate::service::meter::money::MicroDollars;
use crate::service::meter::usage::Tokens;

/// Millionths of a micro-dollar.
pub(super) type Picos = u128;

/// Prices of one token, in the order of [`Rates::NAMES`]. A dollar for a million tokens is a micro-dollar for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates(pub(super) [u64; 5]);

/// A multiplier of prices, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Factor(pub(super) u64);

/// How a request was served, as far as it changes the price. A response states it in its `usage`: `speed: fast`,
/// `inference_geo: us`, `service_tier: batch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each changes the price by itself")]
pub struct Conditions {
    pub fast: bool,
    pub us: bool,
    pub batch: bool,
    /// The answer was refused before any output, and its tokens have no price.
    pub is_free: bool,
    /// `server_tool_use.web_search_requests`. Searches are charged beside the tokens, and no factor applies to them.
    pub web_searches: u64,
    /// Something that decides the cost is assumed, because the response does not state it or the list has no price for it.
    pub is_assumed: bool,
}

impl Rates {
    /// The fields of a price file, in this order.
    pub(super) const NAMES: [&'static str; 5] = ["input", "output", "cache_write_5m", "cache_write_1h", "cache_read"];

    pub(super) fn of(&self, tokens: &Tokens) -> Picos {
        let picos = tokens.by_price().into_iter().zip(self.0).map(|(count, rate)| u128::from(count) * u128::from(rate));
        picos.fold(0, u128::saturating_add)
    }
}

impl Factor {
    pub(super) const ONE: Self = Self(MILLION);

    pub(super) fn times(self, picos: Picos) -> Picos {
        picos.saturating_mul(u128::from(self.0)).div_ceil(u128::from(MILLION))
    }
}

/// The whole prompt, cached or not: its length decides the tier.
pub(super) fn prompt_length(tokens: &Tokens) -> u64 {
    [tokens.cache_write_5m_tokens, tokens.cache_write_1h_tokens, tokens.cache_read_tokens]
        .into_iter()
        .fold(tokens.input_tokens, u64::saturating_add)
}

pub(super) fn rounded_up(picos: Picos) -> MicroDollars {
    // A division of `u128` takes many times as long, and amounts below eighteen dollars need none.
    MicroDollars::new(match u64::try_from(picos) {
        Ok(picos) => picos.div_ceil(MILLION),
        Err(_) => u64::try_from(picos.div_ceil(u128::from(MILLION))).unwrap_or(u64::MAX),
    })
}

const MILLION: u64 = 1_000_000;
