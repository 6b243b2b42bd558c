//! Sends a request to the service: to the endpoint in use, and to the next one if the request was not begun there.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use super::credential::WrapperToken;
use super::endpoint::Endpoint;
use super::endpoints::Choice;
use super::failover::Failover;
use super::refresh::{Reason, Refresher};
use super::service_link::ServiceLink;
use super::session::Session;
use super::unanswered::answered;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::ConnectError;
use crate::transport::problem::Problem;
use crate::transport::upstream::{Begun, UpstreamBody, UpstreamError};
use crate::wire::ErrorCode;
use crate::wire::names::ERROR_HEADER;

/// Carries requests to the service, and notes whether it can be reached.
pub(super) struct Delivery {
    pub session: Arc<Session>,
    pub refresher: Refresher,
    pub link: Arc<ServiceLink>,
    pub failover: Arc<Failover>,
}

/// Why a request has no answer of one endpoint.
struct Undelivered {
    error: UpstreamError,
    /// Whether the endpoint may have processed something of the request.
    is_begun: bool,
}

impl Delivery {
    /// Sends the request with `token`. An endpoint that cannot take the request is passed over, if another one can: the
    /// request goes on as long as not a byte of it is written, all of its body is buffered, and [`LONGEST_SEARCH`] has not
    /// passed.
    pub(super) async fn send(
        &self,
        mut parts: Parts,
        mut body: BufferedBody,
        token: &WrapperToken,
    ) -> Result<Response<UpstreamBody>, Problem> {
        parts.headers.insert(AUTHORIZATION, token.header());
        let (began, seen) = (Instant::now(), self.session.answers());
        let (mut passed, mut first_error) = (Vec::new(), None);
        let mut choices = self.failover.ranked().into_iter();
        let mut choice = choices.next().expect("there is at least one endpoint");
        loop {
            let following = choices.next().filter(|_| began.elapsed() < LONGEST_SEARCH);
            let is_last = following.is_none();
            let spare = following.and_then(|following| Some((following, parts.clone(), body.again()?)));
            let outcome = self.attempt(&choice, Request::from_parts(parts, body), spare.is_some()).await;
            match (outcome, spare) {
                (Ok(response), _) => {
                    if !passed.is_empty() && !is_doubtful(&response) && !is_not_ready(&response) {
                        self.failover.outdone(&passed, &choice.endpoint);
                    }
                    self.note_answer(&response);
                    return Ok(response);
                }
                (Err(Undelivered { error, is_begun: false }), Some((following, its_parts, its_body))) => {
                    first_error.get_or_insert_with(|| (error, Arc::clone(&choice.origin)));
                    passed.push(choice.endpoint);
                    choices = self.untried(&passed).into_iter();
                    choice = choices.next().unwrap_or(following);
                    (parts, body) = (its_parts, its_body);
                }
                (Err(Undelivered { error, .. }), _) => {
                    let is_outage = is_last && matches!(error, UpstreamError::Connect(_));
                    self.note_failure(&error, &choice, seen, is_outage);
                    let (error, origin) = match first_error {
                        Some(first) if is_outage => first,
                        _ => (error, choice.origin),
                    };
                    return Err(unreachable(&error, &self.link.way_to(&origin)));
                }
            }
        }
    }

    /// The endpoints that are left, in the order of now: while the request waited it may have turned out which ones are well.
    fn untried(&self, passed: &[Arc<Endpoint>]) -> Vec<Choice> {
        let mut ranked = self.failover.ranked();
        ranked.retain(|choice| !passed.iter().any(|tried| Arc::ptr_eq(tried, &choice.endpoint)));
        ranked
    }

    /// Sends the request to one endpoint. With `may_go_on` it is given up if another endpoint had better have it.
    async fn attempt(
        &self,
        choice: &Choice,
        mut request: Request<BufferedBody>,
        may_go_on: bool,
    ) -> Result<Response<UpstreamBody>, Undelivered> {
        let is_message = request.uri().path() == MESSAGES_PATH;
        *request.uri_mut() = choice.origin.retarget(request.uri());
        let begun = may_go_on.then(Begun::default);
        if let Some(begun) = &begun {
            request.extensions_mut().insert(begun.clone());
        }
        let (upstream, sent_at) = (self.link.at(&choice.origin), Instant::now());
        let sending = pin!(upstream.send(request, FIRST_BYTE));
        let mut waiting = pin!(answered(&self.refresher, sending));
        let sent = tokio::select! {
            biased;
            sent = waiting.as_mut() => sent,
            () = self.failover.given_up(choice, begun.as_ref()) => {
                return Err(Undelivered { error: ConnectError::Timeout(sent_at.elapsed()).into(), is_begun: false });
            }
        };
        match sent {
            Ok(response) if may_go_on && is_message && is_not_ready(&response) => {
                let error = ConnectError::Reach("the service is not ready".into()).into();
                Err(Undelivered { error, is_begun: false })
            }
            Ok(response) => Ok(response),
            Err(error) => Err(Undelivered { error, is_begun: begun.is_none_or(|begun| begun.is_set()) }),
        }
    }

    /// Notes that the service answered. The refresh task looks for the service during an outage.
    fn note_answer(&self, response: &Response<UpstreamBody>) {
        if is_doubtful(response) {
            self.refresher.kick(Reason::LinkDoubtful);
        } else if self.session.reached() {
            self.refresher.kick(Reason::LinkChanged);
        }
    }

    /// Notes that a request failed at `choice`; `seen` answers had come before it was sent. It is an outage if there is one
    /// endpoint only, or if the request could be sent to none.
    fn note_failure(&self, error: &UpstreamError, choice: &Choice, seen: u64, is_outage: bool) {
        let is_outage = is_outage || !self.failover.are_several();
        let outage = self.link.error(error, &choice.origin).filter(|_| is_outage && self.session.answers() == seen);
        if let Some(error) = outage {
            if self.session.unreached(error) {
                self.refresher.kick(Reason::LinkChanged);
            }
        } else {
            // The service has answered since, or may answer at another endpoint; the client broke off its body; or what
            // answers does not speak HTTP.
            self.failover.doubt(&choice.endpoint);
            self.refresher.kick(Reason::LinkDoubtful);
        }
    }
}

/// Whether the answer is Claude's own error, or comes from a load balancer in front of a service that is away.
fn is_doubtful(response: &Response<UpstreamBody>) -> bool {
    response.status().is_server_error() && !response.headers().contains_key(ERROR_HEADER)
}

/// Whether the service says that it cannot process requests now. It has not processed this one: every stage that says so
/// stands before the upstream.
fn is_not_ready(response: &Response<UpstreamBody>) -> bool {
    let code = response.headers().get(ERROR_HEADER).and_then(|code| code.to_str().ok()).map(ErrorCode::parse);
    response.status() == StatusCode::SERVICE_UNAVAILABLE && code == Some(ErrorCode::NotReady)
}

fn unreachable(error: &UpstreamError, way: &str) -> Problem {
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
    Problem::new(code, format!("{message}: {way}")).retry_after(RETRY)
}

/// The route of which a service that is not ready has processed nothing.
const MESSAGES_PATH: &str = "/v1/messages";

/// How long a request may go from endpoint to endpoint: as long as one connection may take to open.
const LONGEST_SEARCH: Duration = Duration::from_secs(10);

/// Longer than the 600 s that the service gives its upstream, so that the service's own answer comes first.
const FIRST_BYTE: Duration = Duration::from_secs(630);

const RETRY: Duration = Duration::from_secs(1);
