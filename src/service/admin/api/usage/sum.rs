//! The sum of the usage of one key.

use serde::Serialize;
use utoipa::ToSchema;

use crate::service::meter::money::MicroDollars;
use crate::service::store::database::Totals;

/// The usage of one key.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct UsageSum {
    /// The device, user, organisation, model or day; null where a request has none.
    pub(super) key: Option<String>,
    pub(super) requests: u64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) cache_creation_input_tokens: u64,
    pub(super) cache_read_input_tokens: u64,
    /// US dollars, of the requests that have a price.
    pub(super) cost_usd: f64,
    /// The part of `cost_usd` that is exact.
    pub(super) cost_exact_usd: f64,
    /// The other part: something that decides the cost was assumed.
    pub(super) cost_estimated_usd: f64,
    /// Requests that the upstream may charge for although it never said what they used.
    pub(super) requests_of_unknown_cost: u64,
}

impl UsageSum {
    pub(super) fn of(totals: Totals) -> Self {
        Self {
            key: totals.key,
            requests: totals.requests,
            input_tokens: totals.input_tokens,
            output_tokens: totals.output_tokens,
            cache_creation_input_tokens: totals.cache_creation_input_tokens,
            cache_read_input_tokens: totals.cache_read_input_tokens,
            cost_usd: dollars(totals.cost_microusd),
            cost_exact_usd: dollars(totals.cost_exact_microusd),
            cost_estimated_usd: dollars(totals.cost_microusd.saturating_sub(totals.cost_exact_microusd)),
            requests_of_unknown_cost: totals.requests_of_unknown_cost,
        }
    }

    pub(super) fn plus(self, other: &Self) -> Self {
        Self {
            key: None,
            requests: self.requests + other.requests,
            input_tokens: self.input_tokens + other.input_tokens,
            output_tokens: self.output_tokens + other.output_tokens,
            cache_creation_input_tokens: self.cache_creation_input_tokens + other.cache_creation_input_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens + other.cache_read_input_tokens,
            cost_usd: self.cost_usd + other.cost_usd,
            cost_exact_usd: self.cost_exact_usd + other.cost_exact_usd,
            cost_estimated_usd: self.cost_estimated_usd + other.cost_estimated_usd,
            requests_of_unknown_cost: self.requests_of_unknown_cost + other.requests_of_unknown_cost,
        }
    }
}

pub(super) fn dollars(microusd: u64) -> f64 {
    MicroDollars::new(microusd).in_dollars()
}
