//! The gate of budgets on a request's path: reserves what a request may cost before it goes up.
//!
//! Called after the body is held, when the model is known, and before the breaker. A request without a limit passes
//! without a lock, an allocation or another look at the body. The reservation is settled with the request's guard.

mod ask;

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

pub(crate) use self::ask::AskInspector;
use crate::clock::Clock;
use crate::service::govern::budgets::{Budgets, Reservation, Subject};
use crate::service::meter::money::MicroDollars;
use crate::service::meter::prices::{EstimateInput, Prices};
use crate::service::relay::route::RelayRoute;
use crate::service::relay::stake::Stake;
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;

pub(crate) struct BudgetGate {
    budgets: Budgets,
    prices: Arc<ArcSwap<Prices>>,
    clock: Arc<dyn Clock>,
}

/// The values of a request that decide its cost, filled in when its body is held.
pub(crate) type SharedAsk = Arc<OnceLock<EstimateInput>>;

impl BudgetGate {
    #[must_use]
    pub(crate) fn new(budgets: Budgets, prices: Arc<ArcSwap<Prices>>, clock: Arc<dyn Clock>) -> Self {
        Self { budgets, prices, clock }
    }

    /// Returns the values to be read from the body of a request, if it costs something that is limited. Counting tokens
    /// and listing models costs nothing.
    #[must_use]
    pub(crate) fn watch(&self, caller: &Caller, route: RelayRoute) -> Option<SharedAsk> {
        (route == RelayRoute::Messages && self.budgets.apply_to(caller)).then(SharedAsk::default)
    }

    /// Reserves what a request for `model` may cost. A refused request is taken back: it counts against no other limit.
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

    /// Lets a batch be made unless a budget is spent. Its cost is not known yet; it counts when the batch's results are
    /// on record.
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
        Ok(self.budgets.reserve(&Subject::all_of(caller), cost, self.clock.now())?)
    }
}

fn refused(stake: Stake, problem: Problem) -> Problem {
    stake.take_back();
    problem
}
