//! Sends requests to one origin over pooled connections. Each worker thread has its own `Upstream`, so the pool's lock
//! is never contended.
//!
//! An HTTP/1.1 connection has no task of its own: the caller that waits for the response drives it, and then the
//! response's body does. Handing every frame from one task to another is what makes proxies slow at streams. When a
//! client leaves, the body is dropped, which closes the connection, and the upstream stops. HTTP/2 connections are
//! shared between requests and keep a task. Why so: `docs/decisions/0001-own-http1-client.md`.

mod begun;
mod body;
mod error;
pub(crate) mod h1;
mod h2;
mod idle_limit;
mod pool;
mod probe;
mod read_error;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST};
use http::{Request, Response, StatusCode};

pub use self::begun::Begun;
pub use self::body::UpstreamBody;
use self::error::Unsent;
pub use self::error::UpstreamError;
use self::h1::H1;
use self::h2::H2;
use self::pool::ConnectionPool;
pub use self::probe::ProbeRule;
use self::probe::{Proven, proven};
pub use self::read_error::UpstreamReadError;
use super::buffered_body::{BufferedBody, Upload};
use super::connect::{ConnectError, Connection, Connector};
use super::grace::within;
use super::headers::DropsHeader;
use super::origin::Origin;
use super::route::Route;
use crate::lock::lock;

/// One origin and the pooled connections to it.
#[derive(Clone)]
pub struct Upstream(Arc<ConnectionPool>);

impl Upstream {
    /// A pool without a connection.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self::dropping(connector, |_| false)
    }

    /// Like [`new`](Self::new), and forgets headers of responses whose names `drops` is true for as it reads them, as
    /// far as HTTP/1.1 is spoken: what is never stored need not be removed. It must not drop headers of framing.
    #[must_use]
    pub fn dropping(connector: Connector, drops: DropsHeader) -> Self {
        Self(Arc::new(ConnectionPool::new(connector, drops, None)))
    }

    /// Like [`new`](Self::new), and proves a pooled connection by `rule` before a request goes over it.
    #[must_use]
    pub fn probing(connector: Connector, rule: ProbeRule) -> Self {
        Self(Arc::new(ConnectionPool::new(connector, |_| false, Some(rule))))
    }

    /// The origin that requests go to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.connector.origin
    }

    /// Sends `request`, whose URI must be a path and query, and sets `Host`. Waits at most `first_byte` for the
    /// response's head; a slow client may take as long again for each part of its upload.
    ///
    /// A request is processed at most once (RFC 9110 §9.2.2). It goes over another connection only if a dead pooled
    /// connection took no byte of it, or if the upstream states that it did not process it (RFC 9113 §8.7). A [`Begun`]
    /// among its extensions tells whether bytes of it may have been written.
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
        let (mut refusals, mut opened) = (0, None);
        loop {
            if let Some(h2) = self.0.usable_h2() {
                // Boxed here and below: large and rare, it would otherwise make the future of every request as large.
                match Box::pin(self.send_on_h2(h2, request)).await? {
                    Ok(response) => return Ok(response),
                    Err(returned) => (request, opened) = returned,
                }
                refusals += 1;
                if opened.is_some() || refusals > MOST_REFUSALS {
                    break;
                }
                continue;
            }
            let Some((mut pooled, idle)) = self.0.usable_h1() else { break };
            if self.0.is_suspect(idle) {
                match Box::pin(self.proven_h1(pooled)).await? {
                    Proven::Pooled(answered) => pooled = answered,
                    Proven::New(connection) => break opened = Some(connection),
                }
            }
            Begun::tell(&request, true);
            match pooled.send(request).await {
                Ok((response, connection)) => return Ok(self.with_connection(response, connection)),
                Err((_, Some(unsent))) => {
                    Begun::tell(&unsent, false);
                    request = unsent;
                }
                Err((error, None)) => {
                    if error.is_lost_connection() {
                        self.0.lost(idle);
                    }
                    return Err(error);
                }
            }
        }
        Box::pin(self.send_on_new_or_another(request, opened)).await
    }

    /// Sends over a shared connection once that is proved.
    async fn send_on_h2(
        &self,
        pooled: H2,
        request: Request<BufferedBody>,
    ) -> Result<Result<Response<UpstreamBody>, Returned>, UpstreamError> {
        let proven = match self.proven_h2(pooled).await? {
            Proven::Pooled(h2) => h2,
            Proven::New(connection) => return Ok(Err((request, Some(connection)))),
        };
        Begun::tell(&request, true);
        match proven.send(request, self.origin()).await {
            Ok(response) => Ok(Ok(response.map(UpstreamBody::h2))),
            Err((_, Some(unsent))) => {
                Begun::tell(&unsent, false);
                Ok(Err((unsent, None)))
            }
            Err((error, None)) => Err(error),
        }
    }

    /// Sends over a new connection, and over a second one if the upstream states that it did not process the request.
    async fn send_on_new_or_another(
        &self,
        request: Request<BufferedBody>,
        opened: Option<Connection>,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        match self.send_on_new(request, opened).await {
            Err((_, Some(unsent))) => {
                Begun::tell(&unsent, false);
                Box::pin(self.send_on_new(unsent, None)).await.map_err(|(error, _)| error)
            }
            sent => sent.map_err(|(error, _)| error),
        }
    }

    async fn send_on_new(
        &self,
        request: Request<BufferedBody>,
        opened: Option<Connection>,
    ) -> Result<Response<UpstreamBody>, (UpstreamError, Option<Unsent>)> {
        let opened = match opened {
            Some(connection) => connection,
            None => self.0.connector.connect().await.map_err(|error| (error.into(), None))?,
        };
        self.0.opened(&opened);
        if opened.is_http2 {
            let h2 = H2::start(opened.stream).await.map_err(|error| (error, None))?;
            self.0.share(h2.clone());
            Begun::tell(&request, true);
            return h2.send(request, self.origin()).await.map(|response| response.map(UpstreamBody::h2));
        }
        Begun::tell(&request, true);
        let sent = H1::new(opened.stream, self.0.drops).send(request).await;
        let (response, connection) = sent.map_err(|(error, unsent)| {
            if let Some(unsent) = &unsent {
                Begun::tell(unsent, false);
            }
            (error, None)
        })?;
        Ok(self.with_connection(response, connection))
    }

    async fn proven_h1(&self, pooled: Box<H1>) -> Result<Proven<Box<H1>>, ConnectError> {
        let probe = async {
            let (_, mut answered) = pooled.send(self.0.probe?.request(self.origin())).await.ok()?;
            answered.becomes_idle().then_some(answered)
        };
        self.or_new(proven(probe, self.0.connector.connect()).await)
    }

    async fn proven_h2(&self, pooled: H2) -> Result<Proven<H2>, ConnectError> {
        let is_suspect = self.0.is_suspect(pooled.since_read());
        let Some(rule) = self.0.probe.filter(|_| is_suspect) else { return Ok(Proven::Pooled(pooled)) };
        let probe = async {
            let answered = pooled.clone().send(rule.request(self.origin()), self.origin()).await;
            answered.is_ok().then_some(pooled)
        };
        self.or_new(proven(probe, self.0.connector.connect()).await)
    }

    /// One dead connection tells that the other silent ones are dead too.
    fn or_new<T>(&self, proven: Result<Proven<T>, ConnectError>) -> Result<Proven<T>, ConnectError> {
        if !matches!(proven, Ok(Proven::Pooled(_))) {
            self.0.drop_silent();
        }
        proven
    }

    /// Drops idle connections that the upstream has closed or that are too old to use.
    pub fn drop_dead(&self) {
        self.0.drop_dead();
    }

    /// Whether this machine now reaches the other side from another address than when the latest connection was opened, as
    /// after a change of its network. Always false without a rule for probes. Costs a few system calls.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        let route = *lock(&self.0.route);
        route.is_some_and(Route::has_changed)
    }

    /// Makes it look as if the latest connection had been opened from another address.
    #[cfg(test)]
    pub(crate) fn move_machine(&self) {
        let mut route = lock(&self.0.route);
        *route = route.map(Route::moved);
    }

    fn with_connection(&self, response: Response<()>, connection: Box<H1>) -> Response<UpstreamBody> {
        response.map(|()| UpstreamBody::h1(connection, Arc::clone(&self.0)))
    }
}

/// A request that was not processed, and the new connection that it is to go over, if one was opened.
type Returned = (Unsent, Option<Connection>);

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

#[cfg(test)]
mod tests;
