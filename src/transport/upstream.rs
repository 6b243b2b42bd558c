//! Sends requests to one origin over pooled connections. Each worker thread has its own `Upstream`, so the pool's lock
//! is never contended.
//!
//! An HTTP/1.1 connection has no task of its own: the caller that waits for the response drives it, and then the
//! response's body does. Handing every frame from one task to another is what makes proxies slow at streams.

mod body;
pub(crate) mod h1;
mod h2;
mod read_error;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST};
use http::{Request, Response, StatusCode};

pub use self::body::UpstreamBody;
use self::h1::H1;
use self::h2::H2;
pub use self::read_error::UpstreamReadError;
use super::buffered_body::{BodyError, BufferedBody, Upload};
use super::connect::{ConnectError, Connector};
use super::grace::within;
use super::origin::Origin;
use crate::lock::lock;

/// A request that was not processed, given back so that it can go over another connection.
type Unsent = Request<BufferedBody>;

/// One origin and the pooled connections to it.
#[derive(Clone)]
pub struct Upstream(Arc<ConnectionPool>);

struct ConnectionPool {
    connector: Connector,
    /// Idle HTTP/1.1 connections, in the order in which they became idle.
    idle: Mutex<VecDeque<Box<H1>>>,
    multiplexed: Mutex<Vec<H2>>,
}

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No response head within the limit.
    #[error("no answer after {} ms", .0.as_millis())]
    FirstByte(Duration),
    /// The request's own body broke off or was refused.
    #[error(transparent)]
    Body(BodyError),
    /// The connection ended before a response came.
    #[error("the connection ended before an answer came")]
    Dropped(#[source] UpstreamReadError),
    /// The answer is not HTTP, or its end is ambiguous: another reader could see a longer or shorter answer.
    #[error("the answer is not valid HTTP")]
    Invalid(#[source] UpstreamReadError),
}

impl UpstreamError {
    fn of(cut: UpstreamReadError) -> Self {
        if cut.is_syntax() { Self::Invalid(cut) } else { Self::Dropped(cut) }
    }
}

impl Upstream {
    /// A pool without a connection.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self(Arc::new(ConnectionPool { connector, idle: Mutex::default(), multiplexed: Mutex::default() }))
    }

    /// The origin that requests go to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.0.connector.origin()
    }

    /// Sends `request`, whose URI must be a path and query, and sets `Host`. Waits at most `first_byte` for the
    /// response's head; a slow client may take as long again for each part of its upload.
    ///
    /// A request is processed at most once (RFC 9110 §9.2.2). It goes over another connection only if a dead pooled
    /// connection took no byte of it, or if the upstream states that it did not process it (RFC 9113 §8.7).
    pub async fn send(
        &self,
        mut request: Request<BufferedBody>,
        first_byte: Duration,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let origin = self.origin();
        request.headers_mut().insert(HOST, origin.authority().clone());
        let upload = request.body().upload();
        let sent = answered_within(first_byte, upload.as_deref(), pin!(self.send_on_any(request))).await;
        // If the body is at fault, only the body knows why.
        match (sent, upload.and_then(|upload| upload.fault())) {
            (Some(Ok(response)), _) => Ok(without_false_length(response)),
            (_, Some(fault)) => Err(UpstreamError::Body(fault)),
            (Some(Err(error)), None) => Err(error),
            (None, None) => Err(UpstreamError::FirstByte(first_byte)),
        }
    }

    async fn send_on_any(&self, mut request: Request<BufferedBody>) -> Result<Response<UpstreamBody>, UpstreamError> {
        let mut refusals = 0;
        loop {
            if let Some(h2) = self.usable_h2() {
                match Box::pin(h2.send(request, self.origin())).await {
                    Ok(response) => return Ok(response),
                    Err((_, Some(unsent))) => request = unsent,
                    Err((error, None)) => return Err(error),
                }
                refusals += 1;
                if refusals > MOST_REFUSALS {
                    break;
                }
                continue;
            }
            let Some(pooled) = self.usable_h1() else { break };
            match pooled.send(request).await {
                Ok((response, connection)) => return Ok(self.with_connection(response, connection)),
                Err((_, Some(unsent))) => request = unsent,
                Err((error, None)) => return Err(error),
            }
        }
        // Boxed, as above: large and rare, it would otherwise make the future of every request as large.
        match Box::pin(self.send_on_new(request)).await {
            Err((_, Some(unsent))) => Box::pin(self.send_on_new(unsent)).await.map_err(|(error, _)| error),
            sent => sent.map_err(|(error, _)| error),
        }
    }

    async fn send_on_new(
        &self,
        request: Request<BufferedBody>,
    ) -> Result<Response<UpstreamBody>, (UpstreamError, Option<Unsent>)> {
        let opened = self.0.connector.connect().await.map_err(|error| (error.into(), None))?;
        if opened.is_http2 {
            let h2 = H2::start(opened.stream).await.map_err(|error| (error, None))?;
            self.share(h2.clone());
            return h2.send(request, self.origin()).await;
        }
        let sent = H1::new(opened.stream).send(request).await;
        let (response, connection) = sent.map_err(|(error, _)| (error, None))?;
        Ok(self.with_connection(response, connection))
    }

    fn with_connection(&self, response: Response<()>, connection: Box<H1>) -> Response<UpstreamBody> {
        response.map(|()| UpstreamBody::h1(connection, self.clone()))
    }

    /// Adds a connection for other requests to use. When many requests open one at once, the first is enough for all.
    fn share(&self, h2: H2) {
        let mut shared = lock(&self.0.multiplexed);
        if !shared.iter().any(H2::has_room) {
            shared.push(h2);
        }
    }

    fn usable_h2(&self) -> Option<H2> {
        let mut shared = lock(&self.0.multiplexed);
        shared.retain(H2::is_usable);
        shared.iter().find(|h2| h2.has_room()).cloned()
    }

    /// The most recently used idle connection that is still open. Dead ones are dropped on the way.
    fn usable_h1(&self) -> Option<Box<H1>> {
        let mut idle = lock(&self.0.idle);
        while let Some(mut connection) = idle.pop_back() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Drops idle connections that the upstream has closed or that are too old to use.
    pub fn drop_dead(&self) {
        lock(&self.0.idle).retain_mut(|connection| connection.is_usable());
        lock(&self.0.multiplexed).retain(H2::is_usable);
    }

    fn give_back(&self, mut connection: Box<H1>) {
        if connection.becomes_idle() {
            let mut idle = lock(&self.0.idle);
            while idle.front().is_some_and(|oldest| oldest.is_stale()) {
                idle.pop_front();
            }
            if idle.len() < MAX_IDLE {
                idle.push_back(connection);
            }
        }
    }
}

/// Gives up when there is neither a response nor progress of the upload within `limit`. An upstream cannot answer
/// before it has the request.
async fn answered_within<T>(
    limit: Duration,
    upload: Option<&Upload>,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut passed = Some(0);
    loop {
        if let Some(result) = within(limit, work.as_mut()).await {
            return Some(result);
        }
        let now = upload.and_then(Upload::passed);
        if now.is_none() || now == passed {
            return None;
        }
        passed = now;
    }
}

/// A 204 or 304 has no body, yet some announce one (RFC 9110 §8.6); our server would promise it to the client.
fn without_false_length(mut response: Response<UpstreamBody>) -> Response<UpstreamBody> {
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

/// How often a request that the upstream refused without processing is retried on existing connections, before new ones
/// (at most two) are opened.
const MOST_REFUSALS: u32 = 1;

/// Idle connections that one worker keeps. More than this many come from a burst and may go.
const MAX_IDLE: usize = 256;

#[cfg(test)]
mod tests;
