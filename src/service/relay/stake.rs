//! What a request has taken and gives back at its end, however it ends.

use http::StatusCode;
use tokio::time::Instant;

use crate::service::govern::breaker::{Outcome, Passage};
use crate::service::govern::budgets::Reservation;
use crate::service::govern::limits::Permit;
use crate::service::govern::revocation::OpenRequest;
use crate::service::meter::usage::{Ended, UsageRecord};
use crate::transport::recall::Recall;

/// Held from admission to the usage record. Dropped unsettled, its place among the open requests and the money that was put
/// aside are given back and no tokens are charged; as a request it still counts, so that nobody sends what is refused
/// without a limit. What a budget or the breaker refuses does not: it is [taken back](Self::take_back).
pub struct Stake {
    open: OpenRequest,
    permit: Permit,
    /// None for a request that no budget has to pay for.
    reservation: Option<Reservation>,
    /// None for a request that has no model.
    passage: Option<Passage>,
    /// How the upstream did, where the record does not tell.
    outcome: Option<Outcome>,
}

impl Stake {
    /// A request that is open and permitted.
    #[must_use]
    pub fn new(open: OpenRequest, permit: Permit) -> Self {
        Self { open, permit, reservation: None, passage: None, outcome: None }
    }

    /// Money was put aside for it.
    #[must_use]
    pub fn reserving(mut self, reservation: Reservation) -> Self {
        self.reservation = Some(reservation);
        self
    }

    /// It may also go to the upstream.
    #[must_use]
    pub fn passing(mut self, passage: Passage) -> Self {
        self.passage = Some(passage);
        self
    }

    /// Raised when its caller is revoked.
    #[must_use]
    pub fn recall(&self) -> Recall {
        self.open.recall.clone()
    }

    /// The head of the response is here.
    pub fn answered(&mut self, status: u16) {
        if let (Some(passage), Ok(status)) = (&mut self.passage, StatusCode::from_u16(status)) {
            passage.answered(status, Instant::now());
        }
    }

    /// How the upstream did, where the record will tell otherwise.
    pub fn upstream_did(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// Gives everything back, as if it had never been admitted.
    pub fn take_back(self) {
        self.permit.take_back();
    }

    /// Gives everything back, and accounts for what `record` says was used.
    pub fn settle(self, record: &UsageRecord) {
        let tokens = &record.tokens;
        let written = tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens;
        self.permit.charge_tokens(tokens.input_tokens + written + tokens.output_tokens);
        if let Some(reservation) = self.reservation {
            // What has no price has used nothing, as far as anybody knows.
            reservation.settle(record.cost.unwrap_or_default());
        }
        if let Some(passage) = self.passage {
            passage.ended(self.outcome.unwrap_or_else(|| outcome(record)), Instant::now());
        }
        drop(self.open);
    }
}

/// How the upstream did, as far as a record tells.
fn outcome(record: &UsageRecord) -> Outcome {
    let status = record.status.and_then(|status| StatusCode::from_u16(status).ok());
    match (record.ended, status) {
        (Ended::Cancelled | Ended::Revoked, _) => Outcome::Cancelled,
        (Ended::UpstreamCut, _) => Outcome::Broke,
        // A stream that began well and told of an error.
        (Ended::Error, Some(status)) if status.is_success() => Outcome::Broke,
        (_, Some(status)) => Outcome::Answered(status),
        (_, None) => Outcome::Cancelled,
    }
}
