//! The last stage of a relayed request: the upstream's answer on its way down, with the usage tap on it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, HeaderName, Response, StatusCode, response};

use super::in_flight::InFlight;
use super::key_probe::KeyProbe;
use super::key_swap::KeySwap;
use super::route::RelayRoute;
use super::usage_tap::UsageTap;
use crate::service::govern::breaker::UpstreamOutcome;
use crate::service::meter::usage::{Ended, content_encoding};
use crate::transport::headers::{is_media_type, strip_upstream_response};
use crate::transport::problem::Problem;
use crate::transport::relay::{Ending, Relay, Tap};
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::transport::shutdown::Shutdown;
use crate::transport::upstream::UpstreamBody;
use crate::wire::names::REQUEST_ID_HEADER;
use crate::wire::{ErrorBody, ErrorCode};

/// Relays answers; shared by all workers.
pub(crate) struct Answers {
    pub swap: Arc<KeySwap>,
    pub probe: Arc<KeyProbe>,
    /// The longest silence inside an answer.
    pub idle_timeout: Duration,
}

/// A request that was sent to the upstream and has its answer.
pub(crate) struct Answered<'a> {
    pub route: RelayRoute,
    pub id: &'a RequestId,
    pub flight: InFlight,
    pub shutdown: Shutdown,
}

impl Answers {
    /// Whether [`relay_encoded_error`](Self::relay_encoded_error) has to relay this answer.
    pub(crate) fn needs_whole(&self, response: &Response<UpstreamBody>) -> bool {
        self.swap.in_use().mask.needs_whole(response)
    }

    /// Relays an answer of the upstream. If the upstream refused the service's key, returns the [`Problem`] that the
    /// client gets instead.
    pub(crate) fn relay(
        &self,
        response: Response<UpstreamBody>,
        answered: Answered<'_>,
    ) -> Result<Response<Reply>, Problem> {
        self.relay_tapped(response, answered, |tap, _| Box::new(tap))
    }

    /// Relays an answer; `wrap` may put another tap around the usage tap of a 200.
    pub(crate) fn relay_tapped(
        &self,
        response: Response<UpstreamBody>,
        answered: Answered<'_>,
        wrap: impl FnOnce(UsageTap, &HeaderMap) -> Box<dyn Tap>,
    ) -> Result<Response<Reply>, Problem> {
        let Answered { route, id, flight, shutdown } = answered;
        let (mut parts, body) = response.into_parts();
        let flight = self.read_head(&mut parts, id, flight)?;
        let signal = flight.revoke_signal();
        let tap = UsageTap::new(flight, parts.status, &parts.headers, route.is_metered());
        let tap = if parts.status == StatusCode::OK { wrap(tap, &parts.headers) } else { Box::new(tap) };
        let mut relay = Relay::new(body, self.idle_timeout, shutdown).revoked_by(signal).tapped(tap);
        if is_plain_event_stream(&parts.headers) {
            parts.headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
            if !parts.headers.contains_key(CONTENT_LENGTH) {
                relay = relay.with_last_words(last_words);
            }
        }
        let reply = self.swap.in_use().mask.relayed(relay, parts.status);
        Ok(Response::from_parts(parts, reply))
    }

    /// Reads the head of an answer and makes it the client's. A 401 is a [`Problem`]: the upstream refused the service's
    /// key. A 403 may be about the request, so the client gets it, and the probe asks whether it is about the key.
    pub(super) fn read_head(
        &self,
        head: &mut response::Parts,
        id: &RequestId,
        mut flight: InFlight,
    ) -> Result<InFlight, Problem> {
        self.swap.in_use().mask.strip_head(head);
        let upstream_id = head.headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
        match head.status {
            StatusCode::UNAUTHORIZED => {
                self.swap.refuse();
                return Err(refused_key(upstream_id, flight));
            }
            StatusCode::FORBIDDEN => self.probe.suspect(),
            _ => {}
        }
        flight.answered(head.status.as_u16(), upstream_id);
        strip_upstream_response(&mut head.headers);
        head.headers.entry(REQUEST_ID).or_insert_with(|| id.header());
        Ok(flight)
    }
}

/// The upstream answered 401: it refused the service's own key. Passed on, it would make clients throw away a good token.
pub(crate) fn refused_key(upstream_id: Option<String>, mut flight: InFlight) -> Problem {
    let status = StatusCode::UNAUTHORIZED;
    tracing::error!(
        status = status.as_u16(),
        upstream_request_id = upstream_id,
        "The upstream refused the service's key"
    );
    let problem = Problem::new(ErrorCode::UpstreamCredential, "The service's own access to the upstream was refused");
    flight.answered(problem.code.answer().0, upstream_id);
    // The key is at fault, not the upstream.
    flight.upstream_did(UpstreamOutcome::Answered(status));
    flight.finish(Ended::Error);
    problem
}

fn is_plain_event_stream(headers: &HeaderMap) -> bool {
    is_media_type(headers, "text/event-stream") && content_encoding(headers).is_none()
}

/// The last event of a stream that the service had to end.
fn last_words(ending: Ending) -> Bytes {
    let (code, message) = match ending {
        Ending::ShutDown => (ErrorCode::ShuttingDown, "The service is shutting down"),
        Ending::Revoked => (ErrorCode::TokenRevoked, "This device's access has been revoked"),
        _ => (ErrorCode::UpstreamTimeout, "The upstream stopped sending"),
    };
    let body = serde_json::to_string(&ErrorBody::new(code, message, None)).expect("an error body is plain JSON");
    format!("event: error\ndata: {body}\n\n").into()
}

const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
