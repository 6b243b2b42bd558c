//! Replaces the launch key by the wrapper token and relays the request to the service.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};

use super::admission::Admission;
use super::credential::{Freshness, WrapperToken};
use super::error::ClientError;
use super::network::{link_error, way_to};
use super::refresh::{Reason, Refresher};
use super::service_link::ServiceLink;
use super::session::{Installed, Session};
use super::unanswered::answered;
use crate::transport::buffered_body::{BodyLimits, BufferedBody, MemoryBudget};
use crate::transport::client_body::ClientBody;
use crate::transport::cors;
use crate::transport::headers::{strip_request, strip_service_response};
use crate::transport::origin::Origin;
use crate::transport::path::check_target;
use crate::transport::problem::Problem;
use crate::transport::relay::Relay;
use crate::transport::reply::Reply;
use crate::transport::request_head::check_head;
use crate::transport::request_id::RequestId;
use crate::transport::serve::{ClientConnection, Handler};
use crate::transport::shutdown::Shutdown;
use crate::transport::upstream::{UpstreamBody, UpstreamError};
use crate::wire::ErrorCode;
use crate::wire::names::{ERROR_HEADER, HEALTH_PATH, SHOULD_RETRY_HEADER};

/// The proxy on 127.0.0.1, as the server's handler.
#[derive(Clone)]
pub(super) struct Loopback {
    parts: Arc<LoopbackParts>,
    shutdown: Shutdown,
}

pub(super) struct LoopbackParts {
    pub admission: Admission,
    pub session: Arc<Session>,
    pub refresher: Refresher,
    pub link: Arc<ServiceLink>,
    /// How much of a body is buffered for a second attempt.
    pub body_limits: BodyLimits,
}

impl Loopback {
    #[must_use]
    pub(super) fn new(parts: LoopbackParts, shutdown: Shutdown) -> Self {
        Self { parts: Arc::new(parts), shutdown }
    }

    async fn answer(
        &self,
        request: Request<ClientBody>,
        connection: &ClientConnection,
    ) -> Result<Response<Reply>, Problem> {
        let parts = &self.parts;
        check_head(&request)?;
        parts.admission.check_source(request.headers())?;
        check_target(request.method(), request.uri())?;
        match request.uri().path() {
            "/" | "/api/hello" | HEALTH_PATH if is_look(request.method()) => Ok(Response::new(Reply::empty())),
            path if path.starts_with("/v1/") => {
                parts.admission.check_key(request.headers())?;
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
        let response = self.send(parts.clone(), body, &used.token).await?;
        if was_revoked && response.status().is_success() {
            self.parts.session.admitted();
        }
        match rejection(&response) {
            Some(ErrorCode::TokenExpired | ErrorCode::TokenInvalid | ErrorCode::TokenOutdated) => {}
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
            (Ok(()), Some(body)) => {
                let newer = self.usable_token().await?;
                Ok(self.relay(self.send(parts, body, &newer.token).await?))
            }
            (Ok(()), None) => Ok(self.relay(with_retry(response))),
            // An SDK takes a 401 for a wrong key and gives up, while this failure ends with the outage.
            (Err(error), _) if error.is_outage() => Err(no_token(&error)),
            (Err(_), _) => Ok(self.relay(response)),
        }
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

    async fn send(
        &self,
        mut parts: Parts,
        body: BufferedBody,
        token: &WrapperToken,
    ) -> Result<Response<UpstreamBody>, Problem> {
        let upstream = self.parts.link.at(&token.origin);
        parts.uri = token.origin.retarget(&parts.uri);
        parts.headers.insert(AUTHORIZATION, token.header());
        let seen = self.parts.session.answers();
        let sending = pin!(upstream.send(Request::from_parts(parts, body), FIRST_BYTE));
        let sent = answered(&self.parts.refresher, sending).await;
        self.note_outage(&sent, seen, &token.origin);
        sent.map_err(|error| unreachable(&error, &token.origin))
    }

    /// Notes whether the service could be reached; `seen` answers had come before the request was sent. The refresh task looks
    /// for the service during an outage.
    fn note_outage(&self, sent: &Result<Response<UpstreamBody>, UpstreamError>, seen: u64, origin: &Origin) {
        let session = &self.parts.session;
        let news = match sent {
            // It is Claude's, or comes from a load balancer in front of a service that is away.
            Ok(response) if response.status().is_server_error() && !response.headers().contains_key(ERROR_HEADER) => {
                Some(Reason::LinkDoubtful)
            }
            Ok(_) => session.reached().then_some(Reason::LinkChanged),
            Err(error) => match link_error(error, origin).filter(|_| session.answers() == seen) {
                Some(error) => session.unreached(error).then_some(Reason::LinkChanged),
                // The service has answered since, the client broke off its body, or what answers does not speak HTTP.
                None => Some(Reason::LinkDoubtful),
            },
        };
        if let Some(reason) = news {
            self.parts.refresher.kick(reason);
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
        let admission = &self.parts.admission;
        let origin = admission.cors.allowed(request.headers());
        if let Some(preflight) = admission.cors.preflight(request.method(), request.headers())
            && admission.check_source(request.headers()).is_ok()
        {
            return preflight;
        }
        let mut response =
            self.answer(request, connection).await.unwrap_or_else(|problem| problem.into_response(&RequestId::next()));
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

fn unreachable(error: &UpstreamError, origin: &Origin) -> Problem {
    let (code, message) = match error {
        UpstreamError::Body(error) => return error.clone().into(),
        UpstreamError::FirstByte(_) => (ErrorCode::UpstreamTimeout, "The service did not answer in time"),
        UpstreamError::Connect(_) => (ErrorCode::UpstreamUnreachable, "The service cannot be reached"),
        UpstreamError::Dropped(_) => {
            (ErrorCode::UpstreamDropped, "The connection to the service ended before an answer came")
        }
        UpstreamError::Invalid(_) => (ErrorCode::UpstreamInvalid, "The service's answer is not valid HTTP"),
    };
    tracing::debug!(error = error as &dyn std::error::Error, "The service gave no response");
    Problem::new(code, format!("{message}: {}", way_to(origin))).retry_after(NOT_READY_RETRY)
}

/// Longer than the 600 s that the service gives its upstream, so that the service's own answer comes first.
const FIRST_BYTE: Duration = Duration::from_secs(630);

/// Longer than the 300 s after which the service ends a silent stream.
const IDLE_TIMEOUT: Duration = Duration::from_secs(330);

const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const TOKEN_WAIT: Duration = Duration::from_secs(15);
const NOT_READY_RETRY: Duration = Duration::from_secs(1);
const BUFFER_LIMIT: usize = 8 << 20;
const BUFFERS_TOTAL: usize = 64 << 20;
