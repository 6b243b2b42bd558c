//! What a genuine caller's request has to pass on its way to the upstream.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::auth::Caller;
use super::breaker::{Breaker, Passage};
use super::budget_gate::BudgetGate;
use super::leak::{Leaks, Sighting};
use super::limits::{Denied, Limit, Limiter, Permit};
use super::standing::Standing;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// Shared by all workers.
pub(super) struct Gates {
    /// How callers stand.
    pub standing: Standing,
    /// Where their devices are seen.
    pub leaks: Arc<Leaks>,
    /// How much each may do.
    pub limiter: Limiter,
    /// How much may be spent.
    pub budgets: BudgetGate,
    /// Whether the upstream is worth asking.
    pub breaker: Breaker,
}

impl Gates {
    /// Lets a caller in, as it stands now, with the right to one request. Where it was `seen` counts, if somebody looked.
    ///
    /// # Errors
    /// The [`Problem`] to answer with; then nothing is charged.
    pub(super) async fn enter(
        &self,
        caller: Arc<Caller>,
        is_charged: bool,
        seen: Option<Sighting>,
    ) -> Result<(Arc<Caller>, Permit), Problem> {
        let (caller, limits) = self.standing.admit(caller)?;
        if let Some(seen) = &seen {
            self.leaks.sight(caller.device(), seen);
        }
        let permit = self.limiter.admit(caller.device(), &limits, is_charged).await.map_err(denied)?;
        Ok((caller, permit))
    }

    /// Lets a request for `model` go to the upstream.
    ///
    /// # Errors
    /// [`ErrorCode::BreakerOpen`]
    pub(super) fn pass(&self, caller: &Caller, model: Option<&str>) -> Result<Passage, Problem> {
        Ok(self.breaker.admit(model.unwrap_or_default(), caller.device(), Instant::now())?)
    }
}

fn denied(denied: Denied) -> Problem {
    let what = match denied.limit {
        Limit::Requests => "This device has made too many requests",
        Limit::TokensPerMinute => "This device has used too many tokens in the last minute",
        Limit::Concurrent => "This device has too many requests open",
    };
    let seconds = denied.retry_after.as_secs() + u64::from(denied.retry_after.subsec_nanos() > 0);
    let message = format!("{what}; try again in {seconds} s");
    Problem::new(ErrorCode::RateLimited, message).retry_after(Duration::from_secs(seconds))
}
