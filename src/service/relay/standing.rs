//! How a caller stands with its limits and budgets, as the answers to its messages tell.
//!
//! The upstream's own `anthropic-ratelimit-*` describe the real key and end here. A caller without a limit that an operator
//! has set and without a budget is told nothing, and costs nothing.

use http::HeaderMap;

use crate::clock::Clock;
use crate::service::govern::budgets::BudgetStatus;
use crate::service::govern::limits::Allowance;

/// As of the moment when a request was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub allowance: Option<Allowance>,
    pub budget: Option<BudgetStatus>,
}

impl Standing {
    pub(crate) fn tell(self, headers: &mut HeaderMap, clock: &dyn Clock) {
        if let Some(allowance) = self.allowance {
            headers.extend(allowance.headers(clock.now()));
        }
        if let Some(budget) = self.budget {
            headers.extend(budget.headers());
        }
    }
}
