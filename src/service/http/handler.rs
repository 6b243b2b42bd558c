//! The handler of requests: finds the route, calls the part that answers, and leaves one log line.

use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::secret::Secret;
use crate::service::enrol::issuer::Issuer;
use crate::service::govern::leak::Leaks;
use crate::service::http::allowed_hosts::HostCheck;
use crate::service::http::client_address::TrustedProxies;
use crate::service::http::request_line::RequestLine;
use crate::service::http::routes::{Route, route};
use crate::service::relay::admission::Arrival;
use crate::service::relay::batches::Batches;
use crate::service::relay::models::Models;
use crate::service::relay::pipeline::Pipeline;
use crate::service::relay::route::RelayRoute;
use crate::service::relay::worker::Worker;
use crate::service::telemetry::error_reports::ErrorReports;
use crate::service::telemetry::metrics::RequestMetrics;
use crate::service::token::verify::Auth;
use crate::transport::buffered_body::{BodyError, BodyLimits, BufferedBody, MemoryBudget};
use crate::transport::client_body::ClientBody;
use crate::transport::cors::{self, Cors};
use crate::transport::path::check_target;
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_head::check_head;
use crate::transport::request_id::RequestId;
use crate::transport::serve::{ClientConnection, Handler};
use crate::transport::shutdown::Phase;
use crate::transport::upstream::Upstream;
use crate::wire::ErrorCode;
use crate::wire::names::{HEALTH_PATH, READY_PATH};

/// The service as one worker sees it: shared parts and its own connections to the upstream.
#[derive(Clone)]
pub(crate) struct ServiceHandler {
    parts: Arc<HandlerParts>,
    worker: Arc<Worker>,
}

/// The parts that all workers share.
pub(crate) struct HandlerParts {
    pub auth: Arc<Auth>,
    pub issuer: Arc<Issuer>,
    pub leaks: Arc<Leaks>,
    pub metrics: Arc<RequestMetrics>,
    /// Reports the service's own errors.
    pub reports: Option<Arc<ErrorReports>>,
    pub pipeline: Pipeline,
    pub models: Models,
    /// `None` when batches and files are not offered.
    pub batches: Option<Batches>,
    /// The proxies whose headers about the client's address are trusted.
    pub proxies: TrustedProxies,
    /// The web origins that may read answers.
    pub cors: Cors,
    /// The hosts that clients may name.
    pub hosts: HostCheck,
    /// The answer of `/protocol`.
    pub protocol: Bytes,
    /// The longest wait for the next piece of a body.
    pub body_timeout: Duration,
}

impl ServiceHandler {
    pub(crate) fn new(parts: Arc<HandlerParts>, worker: Worker) -> Self {
        Self { parts, worker: Arc::new(worker) }
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.worker.upstream
    }

    /// The route of a request whose target, head and host are good. Probes may name any host: they tell only that the
    /// service runs, and a load balancer names it by an address of its own.
    fn target(&self, request: &Request<ClientBody>) -> Result<Route, Problem> {
        check_target(request.method(), request.uri())?;
        let host = check_head(request)?;
        let path = request.uri().path();
        if !matches!(path, HEALTH_PATH | READY_PATH) {
            self.parts.hosts.check(host)?;
        }
        route(request.method(), path, self.parts.batches.is_some())
    }

    async fn answer(
        &self,
        request: Request<ClientBody>,
        route: Route,
        client: IpAddr,
        (id, at): (RequestId, Instant),
    ) -> Result<Response<Reply>, Problem> {
        match route {
            Route::Relay(route) => self.relay(Arrival { request, client, route, id, at }).await,
            Route::Bootstrap => {
                let received = self.parts.issuer.receive(client, request.headers())?;
                let body = self.small_body(request.into_body()).await?;
                let token = self.parts.issuer.bootstrap(&body, received).await?;
                Ok(json(StatusCode::OK, token_bytes(&token.to_json())))
            }
            Route::Refresh => {
                let parts = &self.parts;
                let proof = parts.issuer.proof(request.headers())?;
                let (caller, presented) = parts.auth.admit_refresh(request.headers())?;
                let token = parts.issuer.refresh(&caller, presented, proof).await?;
                if let Some(seen) = parts.leaks.look(&caller, client, request.headers()) {
                    parts.leaks.sight(caller.device(), &seen);
                }
                Ok(json(StatusCode::OK, token_bytes(&token.to_json())))
            }
            Route::Health => Ok(json(StatusCode::OK, Bytes::from_static(HEALTHY))),
            Route::Ready => Ok(self.readiness()),
            Route::Protocol => Ok(json(StatusCode::OK, self.parts.protocol.clone())),
            Route::Hello => Ok(Response::new(Reply::empty())),
        }
    }

    async fn relay(&self, arrival: Arrival) -> Result<Response<Reply>, Problem> {
        match (arrival.route, &self.parts.batches) {
            // Boxed, because these futures are rare and large, and would make the future of every request as large.
            (RelayRoute::Object(route), Some(batches)) => Box::pin(batches.serve(route, arrival, &self.worker)).await,
            // The routes already refuse these; an object must never be relayed without its owner being checked.
            (RelayRoute::Object(_), None) => Err(Problem::new(ErrorCode::RouteUnknown, NOT_OFFERED)),
            (RelayRoute::Models | RelayRoute::Model, _) => {
                Box::pin(self.parts.models.serve(arrival, &self.worker)).await
            }
            (RelayRoute::Messages | RelayRoute::CountTokens, _) => {
                self.parts.pipeline.serve(arrival, &self.worker).await
            }
        }
    }

    fn readiness(&self) -> Response<Reply> {
        if self.worker.shutdown.phase() != Phase::Running {
            json(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(DRAINING))
        } else if !self.parts.pipeline.can_record() {
            json(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(UNRECORDED))
        } else if self.parts.pipeline.is_stale() {
            json(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(STALE))
        } else {
            json(StatusCode::OK, Bytes::from_static(HEALTHY))
        }
    }

    /// Reads the body of a control request, a few hundred bytes. The whole body has to arrive within the idle timeout
    /// of other bodies: byte by byte, an unauthenticated client could hold a connection for days.
    async fn small_body(&self, body: ClientBody) -> Result<Bytes, Problem> {
        let limits = BodyLimits {
            buffer_limit: MAX_CONTROL_BODY,
            max: MAX_CONTROL_BODY as u64,
            idle_timeout: self.parts.body_timeout,
            budget: MemoryBudget::new(MAX_CONTROL_BODY),
        };
        let held = tokio::time::timeout(limits.idle_timeout, BufferedBody::take(body, &limits, (), |()| ())).await;
        let (held, ()) = held.unwrap_or(Err(BodyError::Stalled(limits.idle_timeout)))?;
        Ok(held.collect().await?.to_bytes())
    }
}

impl Handler for ServiceHandler {
    async fn handle(&self, request: Request<ClientBody>, connection: &ClientConnection) -> Response<Reply> {
        let at = Instant::now();
        let id = RequestId::next();
        let origin = self.parts.cors.allowed(request.headers());
        if let Some(preflight) = self.parts.cors.preflight(request.method(), request.headers())
            && check_head(&request).and_then(|host| self.parts.hosts.check(host)).is_ok()
        {
            return preflight;
        }
        let target = self.target(&request);
        let asked = target.as_ref().ok().copied();
        let peer = self.parts.proxies.client(connection.peer, request.headers());
        let line = RequestLine { method: request.method().clone(), target: request.uri().clone(), peer, id, at };
        let outcome = match target {
            Ok(route) => {
                let mut answering = pin!(self.answer(request, route, peer.ip, (id, at)));
                let answer = poll_fn(|cx| poll_caught(answering.as_mut(), cx)).await;
                answer.map(|response| (Some(route), response))
            }
            Err(problem) => Err(problem),
        };
        let mut response = match outcome {
            Ok((route, response)) => line.answered(route, response),
            Err(problem) => {
                self.parts.metrics.refused(problem.code);
                if let Some(reports) = &self.parts.reports {
                    reports.refused(problem.code, asked.map(Route::name), &id);
                }
                line.refused(problem)
            }
        };
        if let Some(origin) = origin {
            cors::grant(response.headers_mut(), origin);
        }
        response
    }
}

/// Polls the answer to one request. A panic in it becomes a 500 for that request, unless its answer has begun, and
/// affects no other request. The log has the place of the panic ([`panics`](crate::service::telemetry::panics)).
fn poll_caught<T>(
    answering: Pin<&mut impl Future<Output = Result<T, Problem>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, Problem>> {
    let polled = catch_unwind(AssertUnwindSafe(|| answering.poll(cx)));
    polled.unwrap_or_else(|_| Poll::Ready(Err(Problem::new(ErrorCode::Internal, "The service has failed here"))))
}

fn json(status: StatusCode, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn token_bytes(body: &Secret) -> Bytes {
    Bytes::copy_from_slice(body.expose().as_bytes())
}

const HEALTHY: &[u8] = concat!(r#"{"status":"ok","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#).as_bytes();
const UNRECORDED: &[u8] = br#"{"status":"usage_unrecorded"}"#;
const STALE: &[u8] = br#"{"status":"revocations_unknown"}"#;
const DRAINING: &[u8] = br#"{"status":"draining"}"#;
const NOT_OFFERED: &str = "Batches and files are not offered through this service";
const MAX_CONTROL_BODY: usize = 16 * 1024;
