//! The money that one running request has reserved.

use std::sync::Arc;

use super::books::{BudgetStatus, Hold};
use super::state::BudgetState;
use crate::service::meter::money::MicroDollars;

/// An estimate, taken from all budgets of a request. Its holder keeps it as long as the request runs and settles it
/// when the cost is known. Dropped at any other moment, it gives everything back.
#[derive(Debug)]
#[must_use = "dropped, it gives the money back at once"]
pub struct Reservation {
    /// `None` when there is nothing to give back.
    shared: Option<Arc<BudgetState>>,
    holds: Vec<Hold>,
    estimate: MicroDollars,
    /// The real cost; nothing until it is settled.
    actual: MicroDollars,
    /// How the fullest of the budgets stood when the estimate was taken.
    standing: Option<Box<BudgetStatus>>,
}

impl Reservation {
    /// For a request that costs nothing, or has no limits to obey.
    pub fn of_nothing() -> Self {
        let (estimate, actual) = (MicroDollars::ZERO, MicroDollars::ZERO);
        Self { shared: None, holds: Vec::new(), estimate, actual, standing: None }
    }

    pub(super) fn new(shared: Arc<BudgetState>, holds: Vec<Hold>, estimate: MicroDollars) -> Self {
        let shared = Some(shared).filter(|_| !holds.is_empty());
        Self { shared, holds, estimate, actual: MicroDollars::ZERO, standing: None }
    }

    pub(super) fn with_standing(mut self, standing: Option<BudgetStatus>) -> Self {
        self.standing = standing.map(Box::new);
        self
    }

    /// How the fullest budget of the request stood when it was admitted.
    pub(crate) fn standing(&self) -> Option<BudgetStatus> {
        self.standing.as_deref().copied()
    }

    /// Enters the real cost in place of the estimate.
    pub fn settle(mut self, actual: MicroDollars) {
        self.actual = actual;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            let mut books = shared.books();
            for hold in &self.holds {
                books.release(hold, self.estimate, self.actual);
            }
        }
    }
}
