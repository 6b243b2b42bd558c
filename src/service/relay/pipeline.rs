//! Relays one `/v1` request, called by the endpoint: token, policy and limits, body and model, budget, breaker, key
//! swap, upstream, and the relayed answer with its meter.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::service::base::trace_context::Tracer;
use crate::service::govern::breaker::UpstreamOutcome;
use crate::service::govern::revocation::{OpenRequests, revoked};
use crate::service::http::listen::Listen;
use crate::service::meter::prices::Prices;
use crate::service::meter::usage::{Ended, Meter, Recording, UsageSink};
use crate::service::relay::batches::{BatchRequest, Batches, FileInspector, ResultsReader};
use crate::service::relay::budget_gate::{AskInspector, BudgetGate, SharedAsk};
use crate::service::relay::gates::Gates;
use crate::service::relay::key_swap::UpstreamConfig;
use crate::service::relay::key_swap::{KeySwap, problem};
use crate::service::relay::model::{AskedModel, ModelInspector};
use crate::service::relay::route::RelayRoute;
use crate::service::relay::stake::Stake;
use crate::service::token::cache::TokenCache;
use crate::service::token::verify::{Auth, Caller};
use crate::transport::buffered_body::{BodyError, BodyLimits, Both, BufferedBody, Inspector, MemoryBudget};
use crate::transport::cancel_signal::CancelSignal;
use crate::transport::connect::Connector;
use crate::transport::headers::{is_media_type, strip_upstream_response};
use crate::transport::problem::Problem;
use crate::transport::relay::{Ending, Relay, Tap};
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::transport::shutdown::Shutdown;
use crate::transport::upstream::{Upstream, UpstreamBody, UpstreamError};
use crate::wire::names::REQUEST_ID_HEADER;
use crate::wire::{ErrorBody, ErrorCode};

/// The parts that all workers share.
pub(crate) struct Pipeline {
    auth: Arc<Auth>,
    gates: Arc<Gates>,
    prices: Arc<ArcSwap<Prices>>,
    swap: KeySwap,
    usage: Arc<dyn UsageSink>,
    tracer: Option<Tracer>,
    /// `None` when batches and files are not offered.
    objects: Option<Batches>,
    /// Limits of buffered bodies.
    pub body_limits: BodyLimits,
    first_byte: Duration,
    idle_timeout: Duration,
}

/// State of one worker.
pub(crate) struct Worker {
    pub upstream: Upstream,
    pub token_cache: TokenCache<Arc<Caller>>,
    pub open: OpenRequests,
    pub shutdown: Shutdown,
}

impl Worker {
    pub(crate) fn new(connector: Connector, open: OpenRequests, shutdown: Shutdown) -> Self {
        Self { upstream: Upstream::new(connector), token_cache: TokenCache::default(), open, shutdown }
    }
}

/// A request before its admission.
pub(crate) struct Arrival {
    /// The head, and the body, of which nothing is read yet.
    pub request: Request<Incoming>,
    pub client: IpAddr,
    pub route: RelayRoute,
    pub id: RequestId,
    /// When the head arrived.
    pub at: Instant,
}

impl Pipeline {
    #[must_use]
    pub(crate) fn new(
        auth: Arc<Auth>,
        (gates, prices): (Arc<Gates>, Arc<ArcSwap<Prices>>),
        usage: Arc<dyn UsageSink>,
        objects: Option<Batches>,
        listen: &Listen,
        upstream: &UpstreamConfig,
    ) -> Self {
        let body_limits = BodyLimits {
            buffer_limit: BUFFER_LIMIT,
            max: listen.max_payload,
            idle_timeout: listen.request_timeout,
            budget: MemoryBudget::new(BUFFERS_TOTAL),
        };
        Self {
            auth,
            gates,
            prices,
            swap: KeySwap::new(upstream),
            usage,
            tracer: None,
            objects,
            body_limits,
            first_byte: upstream.first_byte_timeout,
            idle_timeout: upstream.idle_timeout,
        }
    }

    /// Traces requests, if there is a `tracer`.
    #[must_use]
    pub(crate) fn traced(mut self, tracer: Option<Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    /// Whether every request is refused because the revocations in use are too old.
    #[must_use]
    pub(crate) fn is_stale(&self) -> bool {
        self.gates.access.revocations.is_too_stale()
    }

    #[must_use]
    pub(crate) fn budgets(&self) -> &BudgetGate {
        &self.gates.budgets
    }

    #[must_use]
    pub(crate) fn offers_objects(&self) -> bool {
        self.objects.is_some()
    }

    /// Serves one request over the connections of `worker`. Once the request is sent to the upstream, every outcome
    /// leaves a usage record.
    pub(crate) async fn serve(&self, arrival: Arrival, worker: &Worker) -> Result<Response<Reply>, Problem> {
        let signed = self.auth.admit(arrival.request.headers(), &worker.token_cache)?;
        let seen = self.gates.leaks.look(&signed, arrival.client, arrival.request.headers());
        let (caller, permit) = self.gates.enter(Arc::clone(&signed), arrival.route.is_charged(), seen).await?;
        let mut stake = Stake::new(worker.open.open(Arc::clone(&signed), Arc::clone(&caller)), permit);
        let cancel = stake.cancel_signal();
        // A revocation between admission and this entry in the open requests would miss the cancel signal.
        self.gates.access.revocations.judge(signed.claims())?;
        self.gates.access.revocations.judge(caller.claims())?;
        let (mut parts, body) = arrival.request.into_parts();
        if let RelayRoute::Object(route) = arrival.route {
            let objects = self.objects.as_ref().ok_or_else(not_offered)?;
            let batch_request =
                BatchRequest { route, parts, body, id: arrival.id, at: arrival.at, caller, stake, worker };
            // Boxed, because this future is rare and large, and would make the future of every request as large.
            return Box::pin(objects.serve(batch_request, self)).await;
        }
        let asked = AskedModel::default();
        let ask = self.gates.budgets.watch(&caller, arrival.route);
        let inspector = self.inspector(arrival.route, &caller, &parts.headers, (&asked, ask.as_ref()))?;
        let body =
            cancel.unless(pin!(BufferedBody::take(body, &self.body_limits, inspector))).await.ok_or_else(revoked)??;
        if let Some(ask) = ask {
            stake = self.gates.budgets.secure(stake, &caller, asked.get().map(AsRef::as_ref), &ask)?;
        }
        if arrival.route.names_model() {
            stake = match self.gates.pass(&caller, asked.get().map(AsRef::as_ref)) {
                Ok(passage) => stake.passing(passage),
                Err(problem) => {
                    // A refused request costs nothing: its limits and its reservation are given back.
                    stake.take_back();
                    return Err(problem);
                }
            };
        }
        let sink = Arc::clone(&self.usage);
        let recording = Recording::open(&arrival.id, &caller, arrival.route.name(), asked, sink, arrival.at);
        let trace = self.tracer.and_then(|tracer| tracer.trace(&mut parts.headers));
        let mut recording = recording.staking(stake).priced(self.prices.load_full()).traced(trace);
        let upload = body.upload();
        let request = self.swap.outbound(parts, body, &worker.upstream);
        match cancel.unless(pin!(worker.upstream.send(request, self.first_byte))).await {
            Some(Ok(response)) => {
                let exchange = Exchange { route: arrival.route, id: &arrival.id, recording, cancel, results: None };
                self.answer(response, exchange, worker.shutdown.clone())
            }
            // The client has left, so it gets no answer.
            Some(Err(UpstreamError::Body(BodyError::Broken))) => {
                recording.finish(Ended::Cancelled);
                Err(BodyError::Broken.into())
            }
            Some(Err(error)) => {
                let is_unfinished = upload.is_some_and(|upload| upload.passed().is_some());
                if is_unfinished && matches!(error, UpstreamError::Dropped(_)) {
                    // An upstream that closes the connection during an upload has not failed.
                    recording.upstream_did(UpstreamOutcome::Cancelled);
                }
                Err(failed(recording, Ended::Error, problem(&error)))
            }
            None => Err(failed(recording, Ended::Revoked, revoked())),
        }
    }

    /// Relays an answer of the upstream. The [`Problem`] replaces an answer that refuses the service's key.
    pub(crate) fn answer(
        &self,
        response: Response<UpstreamBody>,
        exchange: Exchange<'_>,
        shutdown: Shutdown,
    ) -> Result<Response<Reply>, Problem> {
        let Exchange { route, id, mut recording, cancel, results } = exchange;
        let (mut parts, body) = response.into_parts();
        self.swap.strip_key(&mut parts);
        let upstream_id = parts.headers.get(REQUEST_ID_HEADER).and_then(|id| id.to_str().ok()).map(str::to_owned);
        if matches!(parts.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(refused_key(parts.status, upstream_id, recording));
        }
        recording.answered(parts.status.as_u16(), upstream_id);
        strip_upstream_response(&mut parts.headers);
        parts.headers.entry(REQUEST_ID_HEADER).or_insert_with(|| id.header());
        let is_stream = is_plain_event_stream(&parts.headers);
        let meter = Meter::new(recording, parts.status.as_u16(), &parts.headers, route.is_metered());
        let tap: Box<dyn Tap> = match results.filter(|_| parts.status == StatusCode::OK) {
            Some(results) => Box::new(results.watching(meter, &parts.headers)),
            None => Box::new(meter),
        };
        let mut relay = Relay::new(body, self.idle_timeout, shutdown).cancelled_by(cancel).tapped(tap);
        if is_stream {
            parts.headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
            if !parts.headers.contains_key(CONTENT_LENGTH) {
                relay = relay.with_last_words(last_words);
            }
        }
        Ok(Response::from_parts(parts, Reply::Relayed(Box::new(relay))))
    }

    /// The inspector of a body that names a model: it reads the model, the files, and, if a budget wants it, the
    /// settings that decide the price.
    fn inspector(
        &self,
        route: RelayRoute,
        caller: &Caller,
        headers: &HeaderMap,
        (asked, ask): (&AskedModel, Option<&SharedAsk>),
    ) -> Result<Option<Box<dyn Inspector>>, Problem> {
        if !route.names_model() {
            return Ok(None);
        }
        readable(headers)?;
        let models = ModelInspector::new(caller.models().clone(), Arc::clone(asked)).priced(ask.is_some());
        let files =
            self.objects.as_ref().map_or_else(FileInspector::for_nobody, |objects| objects.files_of(caller.device()));
        let both = Both::new(models, files);
        let all: Box<dyn Inspector> = match ask {
            Some(ask) => Box::new(Both::new(both, AskInspector::new(Arc::clone(ask)))),
            None => Box::new(both),
        };
        Ok(Some(all))
    }
}

/// A request that was sent to the upstream and awaits its answer.
pub(crate) struct Exchange<'a> {
    pub route: RelayRoute,
    pub id: &'a RequestId,
    pub recording: Recording,
    /// Cancels the request when its caller is revoked.
    pub cancel: CancelSignal,
    /// Reads the results of a batch whose usage is not recorded yet.
    pub results: Option<ResultsReader>,
}

/// A second check: the router already refuses these routes.
fn not_offered() -> Problem {
    Problem::new(ErrorCode::RouteUnknown, "Batches and files are not offered through this service")
}

/// Finishes the record of a request without a response from the upstream.
pub(crate) fn failed(mut recording: Recording, ended: Ended, problem: Problem) -> Problem {
    recording.fill(|record| record.status = Some(problem.code.answer().0));
    recording.finish(ended);
    problem
}

/// Refuses a compressed body: our decoder and the upstream's could read the same bytes differently.
pub(crate) fn readable(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity") {
        return Ok(());
    }
    let message = "The body must not be compressed: the service has to see which model and which files it names";
    Err(Problem::new(ErrorCode::EncodingUnsupported, message))
}

/// The upstream refused the service's own key. A 401 would make clients throw away a good token.
pub(crate) fn refused_key(status: StatusCode, upstream_id: Option<String>, mut recording: Recording) -> Problem {
    tracing::error!(
        status = status.as_u16(),
        upstream_request_id = upstream_id,
        "The upstream refused the service's key"
    );
    let problem = Problem::new(ErrorCode::UpstreamCredential, "The service's own access to the upstream was refused");
    recording.answered(problem.code.answer().0, upstream_id);
    // The key is at fault, not the upstream.
    recording.upstream_did(UpstreamOutcome::Answered(status));
    recording.finish(Ended::Error);
    problem
}

fn is_plain_event_stream(headers: &HeaderMap) -> bool {
    is_media_type(headers, "text/event-stream") && !headers.contains_key(CONTENT_ENCODING)
}

/// The last event of a stream that the service had to end.
fn last_words(ending: Ending) -> Bytes {
    let (code, message) = match ending {
        Ending::ShutDown => (ErrorCode::ShuttingDown, "The service is shutting down"),
        Ending::Recalled => (ErrorCode::TokenRevoked, "This device's access has been revoked"),
        _ => (ErrorCode::UpstreamTimeout, "The upstream stopped sending"),
    };
    let body = serde_json::to_string(&ErrorBody::new(code, message, None)).expect("an error body is plain JSON");
    format!("event: error\ndata: {body}\n\n").into()
}

const ACCEL_BUFFERING: http::HeaderName = http::HeaderName::from_static("x-accel-buffering");

/// Bodies up to this size are inspected as a whole before anything is sent. A typical Claude Code request has 76 kB.
const BUFFER_LIMIT: usize = 1 << 20;

/// Over all requests of the service.
const BUFFERS_TOTAL: usize = 256 << 20;
