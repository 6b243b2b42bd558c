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
pub struct CircuitPermit(Option<OpenCircuitPermit>);

#[derive(Debug)]
struct OpenCircuitPermit {
    shared: Arc<BreakerState>,
    model: Box<str>,
    ticket: Ticket,
}

impl CircuitPermit {
    pub(super) fn new(shared: Arc<BreakerState>, model: &str, ticket: Ticket) -> Self {
        Self(Some(OpenCircuitPermit { shared, model: model.into(), ticket }))
    }

    /// Says that the head of a response has arrived. A good one counts at once: a stream may go on for many minutes,
    /// and an upstream that begins to answer is back. If the stream breaks later, that counts as well.
    pub fn answered(&mut self, status: StatusCode, now: Instant) {
        let outcome = UpstreamOutcome::Answered(status);
        if let Some(OpenCircuitPermit { shared, model, ticket }) = self.0.as_mut().filter(|_| outcome.is_good()) {
            shared.ended(model, ticket, outcome, now);
            ticket.counted = true;
        }
    }

    pub fn ended(mut self, outcome: UpstreamOutcome, now: Instant) {
        self.close(outcome, now);
    }

    /// Whether this request is the probe that tries whether the upstream is back.
    pub fn is_probe(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.ticket.probe.is_some())
    }

    fn close(&mut self, outcome: UpstreamOutcome, now: Instant) {
        if let Some(OpenCircuitPermit { shared, model, ticket }) = self.0.take() {
            shared.ended(&model, &ticket, outcome, now);
        }
    }
}

impl Drop for CircuitPermit {
    fn drop(&mut self) {
        // The time does not matter: a cancelled request is not counted.
        self.close(UpstreamOutcome::Cancelled, Instant::now());
    }
}
