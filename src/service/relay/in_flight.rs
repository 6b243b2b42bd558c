//! The guard of an admitted request: everything the request has taken, and its usage record.
//!
//! What is given back depends on the moment at which the request ends:
//!
//! - **Before the request goes up**, [`refuse`](InFlight::refuse) gives back everything, as if the request had never
//!   come: a budget or the breaker refused it. A guard that is dropped gives back its slot and the reserved money, and
//!   the request still counts against the request limit, so that refused requests cannot be sent without a limit.
//! - **After [`open_record`](InFlight::open_record)** the guard leaves exactly one usage record, and permit, reservation
//!   and circuit are settled by it: at [`finish`](InFlight::finish), or as cancelled when the guard is dropped.

use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use tokio::time::Instant;

use super::references::References;
use super::request_body::RequestedModel;
use super::standing::Standing;
use crate::service::govern::breaker::{CircuitPermit, UpstreamOutcome};
use crate::service::govern::budgets::Reservation;
use crate::service::govern::features::FeaturePolicy;
use crate::service::govern::limits::Permit;
use crate::service::govern::revocation::OpenRequest;
use crate::service::meter::prices::Prices;
use crate::service::meter::usage::{
    CostCertainty, Ended, Reference, ResponseMeter, UsageOwner, UsageRecord, UsageSink,
};
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;
use crate::transport::revoke_signal::RevokeSignal;

#[must_use = "the request ends when this is dropped"]
pub(crate) struct InFlight {
    caller: Arc<Caller>,
    /// `None` if no feature is limited.
    features: Option<Arc<FeaturePolicy>>,
    signal: RevokeSignal,
    /// `None` once everything is given back.
    taken: Option<Taken>,
    record: Option<Box<OpenRecord>>,
}

struct Taken {
    open: OpenRequest,
    permit: Permit,
    /// `None` for a request without a budget.
    reservation: Option<Reservation>,
    /// `None` for a request without a model.
    circuit: Option<CircuitPermit>,
    /// Overrides the outcome that the record shows.
    outcome: Option<UpstreamOutcome>,
}

/// The record of a request on its way.
pub(crate) struct OpenRecord {
    pub usage: UsageRecord,
    pub model: RequestedModel,
    /// `None` for a request that costs nothing.
    pub prices: Option<Arc<Prices>>,
    /// `None` for an answer that makes nothing that requests refer to.
    pub references: Option<References>,
    /// Whether later requests may refer to the message that answers.
    pub keeps_message: bool,
    /// Whether the answer may name files that code has made.
    pub may_run_code: bool,
    pub sink: Arc<dyn UsageSink>,
    /// When the request's head arrived.
    pub at: Instant,
}

impl InFlight {
    pub(crate) fn new(
        caller: Arc<Caller>,
        features: Option<Arc<FeaturePolicy>>,
        open: OpenRequest,
        permit: Permit,
    ) -> Self {
        let signal = open.signal.clone();
        let taken = Taken { open, permit, reservation: None, circuit: None, outcome: None };
        Self { caller, features, signal, taken: Some(taken), record: None }
    }

    pub(crate) fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// The features that the caller may use; `None` if none is limited.
    pub(crate) fn features(&self) -> Option<&Arc<FeaturePolicy>> {
        self.features.as_ref()
    }

    /// The signal that ends the request when its caller is revoked.
    pub(crate) fn revoke_signal(&self) -> RevokeSignal {
        self.signal.clone()
    }

    pub(crate) fn reserve(&mut self, reservation: Reservation) {
        if let Some(taken) = &mut self.taken {
            taken.reservation = Some(reservation);
        }
    }

    pub(crate) fn enter_circuit(&mut self, circuit: CircuitPermit) {
        if let Some(taken) = &mut self.taken {
            taken.circuit = Some(circuit);
        }
    }

    /// How the caller stands, as far as it is told.
    pub(crate) fn standing(&self) -> Standing {
        let taken = self.taken.as_ref();
        let reservation = taken.and_then(|taken| taken.reservation.as_ref());
        Standing {
            allowance: taken.and_then(|taken| taken.permit.allowance()),
            budget: reservation.and_then(Reservation::standing),
        }
    }

    /// Gives back everything before the request goes up. Returns the answer to the client.
    pub(crate) fn refuse(mut self, problem: Problem) -> Problem {
        if let Some(taken) = self.taken.take() {
            taken.permit.take_back();
        }
        problem
    }

    /// Opens the usage record: the request is about to go up.
    pub(crate) fn open_record(&mut self, record: OpenRecord) {
        self.record = Some(Box::new(record));
    }

    /// The owner that the record names.
    pub(crate) fn owner(&self) -> UsageOwner {
        let (org, user) = (self.caller.org(), self.caller.user());
        let device = self.caller.device().clone();
        UsageOwner { device, org: org.map(str::to_owned), user: user.map(str::to_owned) }
    }

    /// The head of the response arrived.
    pub(crate) fn answered(&mut self, status: u16, upstream_request_id: Option<String>) {
        let now = Instant::now();
        let circuit = self.taken.as_mut().and_then(|taken| taken.circuit.as_mut());
        if let (Some(circuit), Ok(status)) = (circuit, StatusCode::from_u16(status)) {
            circuit.answered(status, now);
        }
        if let Some(open) = &mut self.record {
            open.usage.status = Some(status);
            open.usage.first_byte = Some(now - open.at);
            open.usage.upstream_request_id = upstream_request_id;
            if status >= 300 {
                // The API does not charge for errors.
                open.usage.cost_certainty = CostCertainty::Exact;
            }
        }
    }

    /// Sets the outcome for the breaker where the record would show another one.
    pub(crate) fn upstream_did(&mut self, outcome: UpstreamOutcome) {
        if let Some(taken) = &mut self.taken {
            taken.outcome = Some(outcome);
        }
    }

    /// Writes into the open record.
    pub(crate) fn fill(&mut self, fill: impl FnOnce(&mut UsageRecord)) {
        if let Some(open) = &mut self.record {
            fill(&mut open.usage);
        }
    }

    /// Writes into the open record what the answer used.
    pub(crate) fn report(&mut self, meter: &ResponseMeter, is_complete: bool) {
        if let Some(open) = &mut self.record {
            open.name_model();
            meter.report(&mut open.usage, is_complete);
        }
    }

    /// Whether later requests may refer to the message that answers.
    pub(crate) fn keeps_message(&self) -> bool {
        self.record.as_ref().is_some_and(|open| open.keeps_message)
    }

    /// Whether the answer may name files that code has made.
    pub(crate) fn may_run_code(&self) -> bool {
        self.record.as_ref().is_some_and(|open| open.may_run_code)
    }

    /// Remembers what the answer has made as the caller's own, before the client can refer to it.
    pub(crate) fn remember(&self, made: &[Reference]) {
        if let Some(references) = self.record.as_ref().and_then(|open| open.references.as_ref()) {
            references.remember(self.caller.device(), made);
        }
    }

    /// Settles everything by the record and hands the record to the sinks. Only the first call does something.
    pub(crate) fn finish(&mut self, ended: Ended) {
        let Some(mut open) = self.record.take() else { return };
        open.name_model();
        let OpenRecord { usage: mut record, prices, sink, at, .. } = *open;
        record.ended = ended;
        let now = Instant::now();
        record.total = now - at;
        if let Some(prices) = prices {
            record.price(&prices, SystemTime::now());
        }
        if let Some(taken) = self.taken.take() {
            taken.settle(&record, now);
        }
        sink.record(&Arc::new(record));
    }

    /// Finishes a request that gets `problem` and no response of the upstream. Returns the answer to the client.
    pub(crate) fn fail(mut self, ended: Ended, problem: Problem) -> Problem {
        self.fill(|record| record.status = Some(problem.code.answer().0));
        self.finish(ended);
        problem
    }
}

impl OpenRecord {
    /// Moves the model that was asked into the record: by the end of an answer it has come, if it comes at all.
    fn name_model(&mut self) {
        if self.usage.model_asked.is_none() {
            self.usage.model_asked = std::mem::take(&mut self.model).into_name();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.finish(Ended::Cancelled);
    }
}

impl Taken {
    /// Releases everything, and charges the usage of `record`.
    fn settle(self, record: &UsageRecord, now: Instant) {
        let tokens = &record.tokens;
        let written = tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens;
        self.permit.charge_tokens(tokens.input_tokens + written + tokens.output_tokens);
        if let Some(reservation) = self.reservation {
            // A record without a cost counted no token: the client left before the first event, or the meter could not
            // read the answer. Such a request is free here (docs/LIMITS.md).
            reservation.settle(record.cost.unwrap_or_default());
        }
        if let Some(circuit) = self.circuit {
            circuit.ended(self.outcome.unwrap_or_else(|| outcome(record)), now);
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
