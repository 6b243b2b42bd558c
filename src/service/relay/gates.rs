//! Admission of a verified caller's request: policy, limits and breaker. The pipeline asks the budgets itself.

use std::sync::Arc;

use tokio::time::Instant;

use crate::service::govern::access::AccessPolicy;
use crate::service::govern::breaker::{Breaker, Passage};
use crate::service::govern::leak::{Leaks, Sighting};
use crate::service::govern::limits::{Limit, LimitExceededError, Limiter, Permit};
use crate::service::relay::budget_gate::BudgetGate;
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;

pub(crate) struct Gates {
    pub access: AccessPolicy,
    pub leaks: Arc<Leaks>,
    pub limiter: Limiter,
    pub budgets: BudgetGate,
    pub breaker: Breaker,
}

impl Gates {
    /// Admits a caller with the overrides and revocations in force, for one request. Counts `seen` for the leak
    /// detection. A refused request is charged nothing.
    pub(crate) async fn enter(
        &self,
        caller: Arc<Caller>,
        is_charged: bool,
        seen: Option<Sighting>,
    ) -> Result<(Arc<Caller>, Permit), Problem> {
        let (caller, limits) = self.access.admit(caller)?;
        if let Some(seen) = &seen {
            self.leaks.sight(caller.device(), seen);
        }
        let permit = self.limiter.admit(caller.device(), &limits, is_charged).await.map_err(denied)?;
        Ok((caller, permit))
    }

    /// Asks the breaker to let a request for `model` through.
    pub(crate) fn pass(&self, caller: &Caller, model: Option<&str>) -> Result<Passage, Problem> {
        Ok(self.breaker.admit(model.unwrap_or_default(), caller.device(), Instant::now())?)
    }
}

fn denied(denied: LimitExceededError) -> Problem {
    let what = match denied.limit {
        Limit::Requests => "This device has made too many requests",
        Limit::TokensPerMinute => "This device has used too many tokens in the last minute",
        Limit::Concurrent => "This device has too many requests open",
    };
    Problem::rate_limited(what, denied.retry_after)
}
