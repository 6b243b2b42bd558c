//! The passage of one request through a circuit.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::circuit::Ticket;
use super::outcome::UpstreamOutcome;
use super::state::BreakerState;

/// A request that was let through. Its holder says when it is [answered](Self::answered), because a probe keeps other
/// requests out until then, and how it [ended](Self::ended). Dropped, it counts as cancelled.
#[derive(Debug)]
#[must_use = "dropped, it counts as cancelled"]
pub struct CircuitPermit {
    shared: Arc<BreakerState>,
    model: Box<str>,
    pub(super) ticket: Ticket,
    is_over: bool,
}

impl CircuitPermit {
    pub(super) fn new(shared: Arc<BreakerState>, model: &str, ticket: Ticket) -> Self {
        Self { shared, model: model.into(), ticket, is_over: false }
    }

    /// Says that the head of a response has arrived. A good one counts at once: a stream may go on for many minutes,
    /// and an upstream that begins to answer is back. If the stream breaks later, that counts as well.
    pub fn answered(&mut self, status: StatusCode, now: Instant) {
        let outcome = UpstreamOutcome::Answered(status);
        if outcome.is_good() {
            self.shared.ended(&self.model, &self.ticket, outcome, now);
            self.ticket.counted = true;
        }
    }

    pub fn ended(mut self, outcome: UpstreamOutcome, now: Instant) {
        self.close(outcome, now);
    }

    fn close(&mut self, outcome: UpstreamOutcome, now: Instant) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.shared.ended(&self.model, &self.ticket, outcome, now);
        }
    }
}

impl Drop for CircuitPermit {
    fn drop(&mut self) {
        if !self.is_over {
            // The time does not matter: a cancelled request is not counted.
            self.close(UpstreamOutcome::Cancelled, Instant::now());
        }
    }
}
