//! Reserves what a request may cost before it goes up. The reservation is settled with the request's guard.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::in_flight::InFlight;
use super::request_body::BodyFacts;
use crate::clock::Clock;
use crate::service::govern::budgets::{Budgets, Reservation, Subject};
use crate::service::meter::money::MicroDollars;
use crate::service::meter::prices::Prices;
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;

/// Shared by all workers.
pub(crate) struct BudgetGate {
    pub budgets: Budgets,
    pub prices: Arc<ArcSwap<Prices>>,
    pub clock: Arc<dyn Clock>,
}

impl BudgetGate {
    /// Whether a budget pays for requests of `caller`. A caller without a limit passes without a lock.
    pub(crate) fn pays_for(&self, caller: &Caller) -> bool {
        self.budgets.apply_to(caller)
    }

    /// Reserves what a request with these facts may cost, if a budget pays.
    pub(crate) fn reserve(&self, mut flight: InFlight, facts: &BodyFacts) -> Result<InFlight, Problem> {
        let Some(estimate) = &facts.estimate else { return Ok(flight) };
        let model = facts.model.name().unwrap_or_default();
        let cost = self.prices.load().estimate(model, self.clock.now(), estimate);
        match self.take(flight.caller(), cost.amount) {
            Ok(reservation) => flight.reserve(reservation),
            Err(problem) => return Err(flight.refuse(problem)),
        }
        Ok(flight)
    }

    /// Lets a batch be made unless a budget is spent. Its cost is not known yet; it counts when the batch's results are
    /// on record.
    pub(crate) fn admit_batch(&self, flight: InFlight) -> Result<InFlight, Problem> {
        if self.pays_for(flight.caller())
            && let Err(problem) = self.take(flight.caller(), MicroDollars::ZERO)
        {
            return Err(flight.refuse(problem));
        }
        Ok(flight)
    }

    fn take(&self, caller: &Caller, cost: MicroDollars) -> Result<Reservation, Problem> {
        Ok(self.budgets.reserve(&Subject::all_of(caller), cost, self.clock.now())?)
    }
}
