//! The guard of an admitted request: everything the request holds, released at its end.

use http::StatusCode;
use tokio::time::Instant;

use crate::service::govern::breaker::{Passage, UpstreamOutcome};
use crate::service::govern::budgets::Reservation;
use crate::service::govern::limits::Permit;
use crate::service::govern::revocation::OpenRequest;
use crate::service::meter::usage::{Ended, UsageRecord};
use crate::transport::cancel_signal::CancelSignal;

/// Held from admission to the usage record. Dropped without [`settle`](Self::settle), it releases the slot and the
/// reserved money and charges no tokens, but the request still counts against the request limit. Use
/// [`take_back`](Self::take_back) when a budget or the breaker refused it; then nothing counts.
pub struct Stake {
    open: OpenRequest,
    permit: Permit,
    /// `None` for a request without a budget.
    reservation: Option<Reservation>,
    /// `None` for a request without a model.
    passage: Option<Passage>,
    /// Overrides the outcome that the record shows.
    outcome: Option<UpstreamOutcome>,
}

impl Stake {
    #[must_use]
    pub fn new(open: OpenRequest, permit: Permit) -> Self {
        Self { open, permit, reservation: None, passage: None, outcome: None }
    }

    #[must_use]
    pub fn reserving(mut self, reservation: Reservation) -> Self {
        self.reservation = Some(reservation);
        self
    }

    #[must_use]
    pub fn passing(mut self, passage: Passage) -> Self {
        self.passage = Some(passage);
        self
    }

    /// The signal that cancels the request when its caller is revoked.
    #[must_use]
    pub fn cancel_signal(&self) -> CancelSignal {
        self.open.cancel.clone()
    }

    /// The head of the response arrived.
    pub fn answered(&mut self, status: u16) {
        if let (Some(passage), Ok(status)) = (&mut self.passage, StatusCode::from_u16(status)) {
            passage.answered(status, Instant::now());
        }
    }

    /// Sets the outcome for the breaker where the record would show another one.
    pub fn upstream_did(&mut self, outcome: UpstreamOutcome) {
        self.outcome = Some(outcome);
    }

    /// Releases everything; the request counts against no limit.
    pub fn take_back(self) {
        self.permit.take_back();
    }

    /// Releases everything, and charges the usage of `record`.
    pub fn settle(self, record: &UsageRecord) {
        let tokens = &record.tokens;
        let written = tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens;
        self.permit.charge_tokens(tokens.input_tokens + written + tokens.output_tokens);
        if let Some(reservation) = self.reservation {
            // Usage without a known price settles as zero.
            reservation.settle(record.cost.unwrap_or_default());
        }
        if let Some(passage) = self.passage {
            passage.ended(self.outcome.unwrap_or_else(|| outcome(record)), Instant::now());
        }
        drop(self.open);
    }
}

/// The upstream's outcome that a record shows.
fn outcome(record: &UsageRecord) -> UpstreamOutcome {
    let status = record.status.and_then(|status| StatusCode::from_u16(status).ok());
    match (record.ended, status) {
        (Ended::Cancelled | Ended::Revoked, _) => UpstreamOutcome::Cancelled,
        (Ended::UpstreamCut, _) => UpstreamOutcome::Broke,
        // A stream that began well and sent an error event.
        (Ended::Error, Some(status)) if status.is_success() => UpstreamOutcome::Broke,
        (_, Some(status)) => UpstreamOutcome::Answered(status),
        (_, None) => UpstreamOutcome::Cancelled,
    }
}
