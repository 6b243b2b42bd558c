//! Replaces the launch key by the wrapper token and relays the request to the service.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};

use super::admission::Admission;
use super::answer_counts::AnswerCounts;
use super::credential::Freshness;
use super::delivery::Delivery;
use super::error::ClientError;
use super::refresh::{Reason, Refresher};
use super::session::{Installed, Session};
use crate::transport::buffered_body::{BodyLimits, BufferedBody, MemoryBudget};
use crate::transport::client_body::ClientBody;
use crate::transport::cors;
use crate::transport::headers::{strip_request, strip_service_response};
use crate::transport::path::check_target;
use crate::transport::problem::Problem;
use crate::transport::relay::Relay;
use crate::transport::reply::Reply;
use crate::transport::request_head::check_head;
use crate::transport::request_id::RequestId;
use crate::transport::serve::{ClientConnection, Handler};
use crate::transport::shutdown::Shutdown;
use crate::transport::upstream::UpstreamBody;
use crate::wire::ErrorCode;
use crate::wire::names::{ERROR_HEADER, HEALTH_PATH, SHOULD_RETRY_HEADER};

/// The proxy, as the handler of one of its listeners.
#[derive(Clone)]
pub(super) struct Loopback {
    admission: Arc<Admission>,
    parts: Arc<LoopbackParts>,
    shutdown: Shutdown,
}

pub(super) struct LoopbackParts {
    pub session: Arc<Session>,
    pub refresher: Refresher,
    pub delivery: Delivery,
    pub counts: Arc<AnswerCounts>,
    /// How much of a body is buffered for a second attempt.
    pub body_limits: BodyLimits,
}

impl Loopback {
    #[must_use]
    pub(super) fn new(admission: Admission, parts: LoopbackParts, shutdown: Shutdown) -> Self {
        Self { admission: Arc::new(admission), parts: Arc::new(parts), shutdown }
    }

    /// The same proxy, for a listener with checks of its own.
    #[must_use]
    pub(super) fn with_admission(&self, admission: Admission) -> Self {
        Self { admission: Arc::new(admission), ..self.clone() }
    }

    async fn answer(
        &self,
        request: Request<ClientBody>,
        connection: &ClientConnection,
    ) -> Result<Response<Reply>, Problem> {
        check_head(&request)?;
        self.admission.check_source(request.headers())?;
        check_target(request.method(), request.uri())?;
        match request.uri().path() {
            "/" | "/api/hello" | HEALTH_PATH if is_look(request.method()) => Ok(Response::new(Reply::empty())),
            path if path.starts_with("/v1/") => {
                self.admission.check_key(request.headers())?;
                connection.authenticated();
                self.forward(request).await
            }
            _ => Err(Problem::new(ErrorCode::RouteUnknown, "This proxy serves /v1 only")),
        }
    }

    async fn forward(&self, request: Request<ClientBody>) -> Result<Response<Reply>, Problem> {
        let (mut parts, body) = request.into_parts();
        let was_revoked = self.parts.session.is_revoked();
        let used = self.usable_token().await?;
        strip_request(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let (body, ()) = BufferedBody::take(body, &self.parts.body_limits, (), |()| ()).await?;
        let again = body.again();
        let delivery = &self.parts.delivery;
        let response = delivery.send(parts.clone(), body, &used.token).await?;
        if was_revoked && response.status().is_success() {
            self.parts.session.admitted();
        }
        match rejection(&response) {
            Some(code) if ends_with_newer_token(code) => {}
            Some(ErrorCode::TokenRevoked) => {
                // The refresh will be refused too, and then the status shows it.
                self.parts.refresher.kick(Reason::Rejected(used.generation));
                return Ok(self.relay(response));
            }
            _ => return Ok(self.relay(response)),
        }
        // The service did not process the request, so it can be sent again with a newer token.
        let renewed = self.parts.refresher.ask(Reason::Rejected(used.generation)).await;
        match (renewed, again) {
            (Ok(()), Some(body)) => self.repeat(parts, body).await,
            (Ok(()), None) => Ok(self.relay(with_retry(response))),
            // An SDK takes a 401 for a wrong key and gives up, while this failure ends with the outage.
            (Err(error), _) if error.is_outage() => Err(no_token(&error)),
            (Err(_), _) => Ok(self.relay(response)),
        }
    }

    /// Sends a rejected request again with the newer token. That can be the token of another process of the app, and rejected as
    /// well; then the request is sent a last time, with a token that was issued since.
    async fn repeat(&self, parts: Parts, body: BufferedBody) -> Result<Response<Reply>, Problem> {
        let again = body.again();
        let newer = self.usable_token().await?;
        let delivery = &self.parts.delivery;
        let response = delivery.send(parts.clone(), body, &newer.token).await?;
        let is_rejected = rejection(&response).is_some_and(ends_with_newer_token);
        let Some(body) = again.filter(|_| is_rejected) else { return Ok(self.relay(response)) };
        if self.parts.refresher.ask(Reason::Rejected(newer.generation)).await.is_err() {
            return Ok(self.relay(response));
        }
        let newest = self.usable_token().await?;
        Ok(self.relay(delivery.send(parts, body, &newest.token).await?))
    }

    /// A token that can be sent. A due token is used while it is refreshed; an expired one is refreshed first.
    async fn usable_token(&self) -> Result<Installed, Problem> {
        let session = &self.parts.session;
        let generation = match session.installed() {
            Some((installed, Freshness::Fresh)) => return Ok(installed),
            Some((installed, Freshness::Due)) => {
                self.parts.refresher.kick(Reason::Aged(installed.generation));
                return Ok(installed);
            }
            Some((installed, Freshness::Expired)) => installed.generation,
            None => 0,
        };
        let renewed = tokio::time::timeout(TOKEN_WAIT, self.parts.refresher.ask(Reason::Aged(generation))).await;
        match renewed.unwrap_or(Err(ClientError::Timeout(TOKEN_WAIT))) {
            Ok(()) => session.installed().map(|(installed, _)| installed).ok_or_else(|| no_token(&ClientError::Closed)),
            Err(error) => Err(no_token(&error)),
        }
    }

    fn relay(&self, response: Response<UpstreamBody>) -> Response<Reply> {
        let (mut parts, body) = response.into_parts();
        strip_service_response(&mut parts.headers);
        Response::from_parts(parts, Reply::Relayed(Box::new(Relay::new(body, IDLE_TIMEOUT, self.shutdown.clone()))))
    }
}

impl Handler for Loopback {
    async fn handle(&self, request: Request<ClientBody>, connection: &ClientConnection) -> Response<Reply> {
        let admission = &self.admission;
        let origin = admission.cors.allowed(request.headers());
        if let Some(preflight) = admission.cors.preflight(request.method(), request.headers())
            && admission.check_source(request.headers()).is_ok()
        {
            return preflight;
        }
        let mut response =
            self.answer(request, connection).await.unwrap_or_else(|problem| problem.into_response(&RequestId::next()));
        self.parts.counts.count(response.status());
        if let Some(origin) = origin {
            cors::grant(response.headers_mut(), origin);
        }
        response
    }
}

/// The limits for buffered bodies: 8 MiB each and 64 MiB in all, so that a request can be sent again after a refresh.
#[must_use]
pub(super) fn body_limits() -> BodyLimits {
    BodyLimits {
        buffer_limit: BUFFER_LIMIT,
        max: u64::MAX,
        idle_timeout: BODY_IDLE_TIMEOUT,
        budget: MemoryBudget::new(BUFFERS_TOTAL),
    }
}

fn is_look(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether a request that was rejected with `code` can succeed with a newer token.
fn ends_with_newer_token(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::TokenExpired | ErrorCode::TokenInvalid | ErrorCode::TokenOutdated)
}

/// Why the service rejected the token; `None` if the upstream behind it sent the answer.
fn rejection(response: &Response<UpstreamBody>) -> Option<ErrorCode> {
    let code = response.headers().get(ERROR_HEADER)?.to_str().ok()?;
    matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN).then(|| ErrorCode::parse(code))
}

/// The proxy has no copy of the body, but the client has one: asks the SDK to send the request again.
fn with_retry(mut response: Response<UpstreamBody>) -> Response<UpstreamBody> {
    response.headers_mut().insert(SHOULD_RETRY_HEADER, HeaderValue::from_static("true"));
    response
}

fn no_token(error: &ClientError) -> Problem {
    if error.is_refusal() {
        let code =
            if matches!(error, ClientError::Revoked(_)) { ErrorCode::TokenRevoked } else { ErrorCode::TokenInvalid };
        return Problem::new(code, error.to_string());
    }
    Problem::new(ErrorCode::NotReady, format!("There is no usable token at the moment: {error}"))
        .retry_after(NOT_READY_RETRY)
}

/// Longer than the 300 s after which the service ends a silent stream.
const IDLE_TIMEOUT: Duration = Duration::from_secs(330);

const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const TOKEN_WAIT: Duration = Duration::from_secs(15);
const NOT_READY_RETRY: Duration = Duration::from_secs(1);
const BUFFER_LIMIT: usize = 8 << 20;
const BUFFERS_TOTAL: usize = 64 << 20;
