//! What a genuine caller's request has to pass on its way to the upstream.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::service::govern::access::Standing;
use crate::service::govern::breaker::{Breaker, Passage};
use crate::service::govern::leak::{Leaks, Sighting};
use crate::service::govern::limits::{Denied, Limit, Limiter, Permit};
use crate::service::relay::budget_gate::BudgetGate;
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// Shared by all workers.
pub(crate) struct Gates {
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
    pub(crate) async fn enter(
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
    pub(crate) fn pass(&self, caller: &Caller, model: Option<&str>) -> Result<Passage, Problem> {
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
