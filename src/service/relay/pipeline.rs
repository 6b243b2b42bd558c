//! The way of a `/v1` request on one page: admission, body, budget, breaker, swap of the key, upstream, answer.
//!
//! The body comes before budget and breaker, because both go by its model. A request that budget or breaker refuses
//! does not count against the device's limits. A request that is refused for its body, as for its model, counts
//! ([`InFlight`]).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::Response;
use http::header::CONTENT_ENCODING;
use tokio::time::Instant;

use super::admission::{Admission, Arrival};
use super::answer::{Answered, Answers};
use super::budget_gate::BudgetGate;
use super::feature_check::FeatureCheck;
use super::in_flight::{InFlight, OpenRecord};
use super::key_swap::problem;
use super::ownership_check::{Owner, OwnershipCheck};
use super::references::{References, keeps_message};
use super::request_body::{BodyFacts, RequestReader, RequestedModel};
use super::route::RelayRoute;
use super::worker::Worker;
use crate::service::base::trace_context::Tracer;
use crate::service::govern::breaker::{Breaker, UpstreamOutcome};
use crate::service::govern::revocation::revoked;
use crate::service::meter::usage::{CostCertainty, Ended, UsageRecord, UsageSink};
use crate::transport::buffered_body::{BodyError, BodyLimits, BufferedBody, MemoryBudget, Upload};
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::transport::upstream::UpstreamError;
use crate::wire::ErrorCode;

/// The stages that requests for messages share with models, batches and files.
pub(crate) struct Stages {
    pub admission: Admission,
    pub budgets: BudgetGate,
    pub answers: Answers,
    pub body_limits: BodyLimits,
    pub sink: Arc<dyn UsageSink>,
}

/// Relays requests for messages; shared by all workers.
pub(crate) struct Pipeline {
    pub stages: Arc<Stages>,
    pub breaker: Breaker,
    pub tracer: Option<Tracer>,
    /// The owners of what requests may refer to.
    pub references: References,
    /// The longest wait for the head of an answer.
    pub first_byte: Duration,
}

impl Stages {
    /// The record of a request that is about to go up.
    pub(super) fn record(&self, flight: &InFlight, route: RelayRoute, id: &RequestId, at: Instant) -> OpenRecord {
        let mut usage = UsageRecord::new(id.to_string(), flight.owner(), route.name());
        if route.is_metered() {
            // It stays so unless the upstream says what it used, or refuses the request.
            usage.cost_certainty = CostCertainty::Unknown;
        }
        let (model, sink) = (RequestedModel::default(), Arc::clone(&self.sink));
        let (keeps_message, may_run_code) = (false, false);
        OpenRecord { usage, model, prices: None, references: None, keeps_message, may_run_code, sink, at }
    }
}

impl Pipeline {
    /// Whether every request is refused because the revocations in use are too old.
    pub(crate) fn is_stale(&self) -> bool {
        self.stages.admission.access.revocations.is_too_stale()
    }

    /// Whether the usage of further requests can be kept; every request is refused where it cannot.
    pub(crate) fn can_record(&self) -> bool {
        self.stages.admission.usage.has_room()
    }

    /// Serves one request over the connections of `worker`. Once the request is sent to the upstream, every outcome
    /// leaves a usage record.
    pub(crate) async fn serve(&self, arrival: Arrival, worker: &Worker) -> Result<Response<Reply>, Problem> {
        let stages = &*self.stages;
        let flight = stages.admission.admit(&arrival, worker).await?;
        let Arrival { request, route, id, at, .. } = arrival;
        let (mut parts, body) = request.into_parts();
        let (signal, reader) = (flight.revoke_signal(), self.reader(route, &flight, &parts.headers)?);
        let read = BufferedBody::take(body, &stages.body_limits, reader, facts);
        let (body, facts) = signal.unless(pin!(read)).await.ok_or_else(revoked)??;
        let flight = stages.budgets.reserve(flight, &facts)?;
        let mut flight = self.enter_circuit(flight, route, &facts)?;
        let mut record = OpenRecord {
            model: facts.model,
            prices: Some(stages.budgets.prices.load_full()),
            references: Some(self.references.clone()),
            keeps_message: facts.keeps_message || keeps_message(&parts.headers),
            may_run_code: facts.may_run_code,
            ..stages.record(&flight, route, &id, at)
        };
        record.usage.trace = self.tracer.and_then(|tracer| tracer.trace(&mut parts.headers));
        flight.open_record(record);
        let upload = body.upload();
        let request = stages.answers.swap.outbound(parts, body, &worker.upstream);
        match signal.unless(pin!(worker.upstream.send(request, self.first_byte))).await {
            Some(Ok(response)) => {
                let standing = flight.standing();
                let answered = Answered { route, id: &id, flight, shutdown: worker.shutdown.clone() };
                if stages.answers.needs_whole(&response) {
                    return Box::pin(stages.answers.relay_encoded_error(response, answered)).await;
                }
                let mut response = stages.answers.relay(response, answered)?;
                if response.status().is_success() {
                    standing.tell(response.headers_mut(), &*stages.budgets.clock);
                }
                Ok(response)
            }
            Some(Err(error)) => Err(unanswered(flight, &error, upload.as_deref())),
            None => Err(flight.fail(Ended::Revoked, revoked())),
        }
    }

    /// The reader of a body that names a model.
    fn reader(
        &self,
        route: RelayRoute,
        flight: &InFlight,
        headers: &HeaderMap,
    ) -> Result<Option<RequestReader>, Problem> {
        if !route.names_model() {
            return Ok(None);
        }
        readable(headers)?;
        let caller = flight.caller();
        // Counting tokens costs nothing.
        let is_priced = route == RelayRoute::Messages && self.stages.budgets.pays_for(caller);
        let references = self.references.clone();
        // An unknown id in a count is refused at once: counting is free, so waiting would load the database for nothing.
        let waits = route == RelayRoute::Messages;
        let ownership = OwnershipCheck::of_message(Owner { caller: Arc::clone(caller), references, waits });
        let features = FeatureCheck::new(flight.features().cloned(), route == RelayRoute::Messages);
        Ok(Some(RequestReader::new(caller.models().clone(), features, is_priced, ownership)))
    }

    /// Asks the breaker to let a request for a model through.
    fn enter_circuit(&self, mut flight: InFlight, route: RelayRoute, facts: &BodyFacts) -> Result<InFlight, Problem> {
        if !route.names_model() {
            return Ok(flight);
        }
        let model = facts.model.name().unwrap_or_default();
        match self.breaker.admit(model, flight.caller().device(), Instant::now()) {
            Ok(circuit) => flight.enter_circuit(circuit),
            Err(open) => return Err(flight.refuse(open.into())),
        }
        Ok(flight)
    }
}

#[expect(clippy::ref_option, reason = "the inspector is the option")]
fn facts(reader: &Option<RequestReader>) -> BodyFacts {
    reader.as_ref().map(RequestReader::facts).unwrap_or_default()
}

/// Finishes a request without a response of the upstream.
fn unanswered(mut flight: InFlight, error: &UpstreamError, upload: Option<&Upload>) -> Problem {
    let is_unfinished = upload.is_some_and(|upload| upload.passed().is_some());
    if is_unfinished || matches!(error, UpstreamError::Connect(_) | UpstreamError::Body(_)) {
        // Without the whole request the upstream does nothing that costs.
        flight.fill(|record| record.cost_certainty = CostCertainty::Exact);
    }
    if let UpstreamError::Body(BodyError::Broken) = error {
        // The client has left, so it gets no answer.
        flight.finish(Ended::Cancelled);
        return BodyError::Broken.into();
    }
    if is_unfinished && matches!(error, UpstreamError::Dropped(_)) {
        // An upstream that closes the connection during an upload has not failed.
        flight.upstream_did(UpstreamOutcome::Cancelled);
    }
    flight.fail(Ended::Error, problem(error))
}

/// Refuses a compressed body: our decoder and the upstream's could read the same bytes differently.
pub(super) fn readable(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity") {
        return Ok(());
    }
    let message = "The body must not be compressed: the service has to see which model and which files it names";
    Err(Problem::new(ErrorCode::EncodingUnsupported, message))
}

/// The limits of every body: at most `max` bytes, and at most `idle_timeout` between two pieces.
pub(crate) fn body_limits(max: u64, idle_timeout: Duration) -> BodyLimits {
    BodyLimits { buffer_limit: BUFFER_LIMIT, max, idle_timeout, budget: MemoryBudget::new(BUFFERS_TOTAL) }
}

/// Bodies up to this size are read as a whole before anything is sent. A typical Claude Code request has 76 kB.
const BUFFER_LIMIT: usize = 1 << 20;

/// Over all requests of the service.
const BUFFERS_TOTAL: usize = 256 << 20;
