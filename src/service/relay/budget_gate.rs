//! The gate of budgets on a request's way: what a request may cost is put aside before it goes up.
//!
//! Called after the body is held, when the model is known, and before the breaker. Who has no limit passes without a lock,
//! an allocation or another look at the body. What was put aside is settled with the request's [`Stake`].

mod ask;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

pub(crate) use self::ask::AskInspector;
use crate::clock::Clock;
use crate::service::govern::budgets::{Budgets, Reservation, Subject};
use crate::service::meter::money::MicroDollars;
use crate::service::meter::prices::{Ask, Prices};
use crate::service::relay::route::RelayRoute;
use crate::service::relay::stake::Stake;
use crate::service::telemetry::metrics::Metrics;
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;

/// Shared by all workers.
pub(crate) struct BudgetGate {
    budgets: Budgets,
    prices: Arc<ArcSwap<Prices>>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

/// What a request asks for that costs something, filled in when its body is held.
pub(crate) type SharedAsk = Arc<OnceLock<Ask>>;

impl BudgetGate {
    /// Asks `budgets`, by these prices.
    #[must_use]
    pub(crate) fn new(
        budgets: Budgets,
        prices: Arc<ArcSwap<Prices>>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { budgets, prices, metrics, clock }
    }

    /// What has to be read from the body of a request, if it costs something that is limited. Counting tokens and listing
    /// models costs nothing.
    #[must_use]
    pub(crate) fn watch(&self, caller: &Caller, route: RelayRoute) -> Option<SharedAsk> {
        (route == RelayRoute::Messages && self.budgets.apply_to(caller)).then(SharedAsk::default)
    }

    /// Puts aside what a request for `model` may cost.
    ///
    /// # Errors
    /// The [`Problem`] to answer with. The stake is taken back: what a budget refuses counts against no other limit.
    pub(crate) fn secure(
        &self,
        stake: Stake,
        caller: &Caller,
        model: Option<&str>,
        ask: &SharedAsk,
    ) -> Result<Stake, Problem> {
        let ask = ask.get().copied().unwrap_or_default();
        let cost = self.prices.load().estimate(model.unwrap_or_default(), self.clock.now(), &ask);
        match self.reserve(caller, cost.amount) {
            Ok(reservation) => Ok(stake.reserving(reservation)),
            Err(problem) => Err(refused(stake, problem)),
        }
    }

    /// Lets a batch be made unless a budget is spent. What it will cost nobody knows; it is counted when its results are on
    /// record.
    ///
    /// # Errors
    /// As [`secure`](Self::secure).
    pub(crate) fn admit_batch(&self, stake: Stake, caller: &Caller) -> Result<Stake, Problem> {
        if !self.budgets.apply_to(caller) {
            return Ok(stake);
        }
        match self.reserve(caller, MicroDollars::ZERO) {
            Ok(least) => {
                drop(least);
                Ok(stake)
            }
            Err(problem) => Err(refused(stake, problem)),
        }
    }

    fn reserve(&self, caller: &Caller, cost: MicroDollars) -> Result<Reservation, Problem> {
        let reserved = self.budgets.reserve(&Subject::all_of(caller), cost, self.clock.now());
        reserved.map_err(|spent| {
            self.metrics.budget_refused(spent.subject, spent.shortage);
            spent.into()
        })
    }
}

fn refused(stake: Stake, problem: Problem) -> Problem {
    stake.take_back();
    problem
}
