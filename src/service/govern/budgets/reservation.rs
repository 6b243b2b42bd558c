//! The money that one running request has reserved.

use std::sync::Arc;

use super::books::Hold;
use super::state::BudgetState;
use crate::service::meter::money::MicroDollars;

/// An estimate, taken from all budgets of a request. Its holder keeps it as long as the request runs and settles it
/// when the cost is known. Dropped at any other moment, it gives everything back.
#[derive(Debug)]
#[must_use = "dropped, it gives the money back at once"]
pub struct Reservation {
    open: Option<OpenReservation>,
    estimate: MicroDollars,
}

#[derive(Debug)]
struct OpenReservation {
    shared: Arc<BudgetState>,
    holds: Vec<Hold>,
}

impl Reservation {
    /// For a request that costs nothing, or has no limits to obey.
    pub fn of_nothing() -> Self {
        Self { open: None, estimate: MicroDollars::ZERO }
    }

    pub(super) fn new(shared: Arc<BudgetState>, holds: Vec<Hold>, estimate: MicroDollars) -> Self {
        let open = if holds.is_empty() { None } else { Some(OpenReservation { shared, holds }) };
        Self { open, estimate }
    }

    /// Enters the real cost in place of the estimate.
    pub fn settle(mut self, actual: MicroDollars) {
        self.close(actual);
    }

    fn close(&mut self, actual: MicroDollars) {
        if let Some(OpenReservation { shared, holds }) = self.open.take() {
            let mut books = shared.books();
            for hold in &holds {
                books.release(hold, self.estimate, actual);
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.close(MicroDollars::ZERO);
    }
}
