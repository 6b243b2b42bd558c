//! Sends requests to one origin over pooled connections.
//!
//! An HTTP/1.1 connection is not driven by a task of its own: whoever waits for the response drives it, and then the
//! response's body does. The hand-over between two tasks for every frame is what makes proxies slow at streams. Each
//! worker thread has its own `Upstream`, so the pool's lock is never contended.

mod body;
mod cut;
mod h1;
mod h2;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST};
use http::{Request, Response, StatusCode};

pub use self::body::UpstreamBody;
pub use self::cut::Cut;
use self::h1::H1;
use self::h2::H2;
use super::connect::{ConnectError, Connector};
use super::hold::{Held, HoldError, Upload};
use super::origin::Origin;
use super::patience::within;

/// A request that was never written, given back so that it can go over another connection.
type Unsent = Request<Held>;

/// One origin and the connections to it.
#[derive(Clone)]
pub struct Upstream(Arc<Shared>);

struct Shared {
    connector: Connector,
    /// In the order in which they became idle.
    idle: Mutex<VecDeque<Box<H1>>>,
    multiplexed: Mutex<Vec<H2>>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No response head within the limit.
    #[error("no answer after {} ms", .0.as_millis())]
    FirstByte(Duration),
    /// The request's own body is at fault.
    #[error(transparent)]
    Body(HoldError),
    /// The connection ended before a response came.
    #[error("the connection ended before an answer came")]
    Dropped(#[source] Cut),
    /// What came is no HTTP response, or another reader could see another end of it.
    #[error("the answer is not valid HTTP")]
    Invalid(#[source] Cut),
}

impl UpstreamError {
    fn of(cut: Cut) -> Self {
        if cut.is_syntax() { Self::Invalid(cut) } else { Self::Dropped(cut) }
    }
}

impl Upstream {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self(Arc::new(Shared { connector, idle: Mutex::default(), multiplexed: Mutex::default() }))
    }

    /// Where it sends to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.0.connector.origin()
    }

    /// Sends `request`, whose URI must be a path and a query; `Host` is set here. Waits at most `first_byte` for the
    /// response's head, as long as which a slow client may also take for each part of its upload.
    ///
    /// A request is processed at most once: only one that was never written to a pooled connection that had died goes over
    /// another, and one of which the upstream itself says that it has not looked at it.
    ///
    /// # Errors
    /// [`UpstreamError`]
    pub async fn send(
        &self,
        mut request: Request<Held>,
        first_byte: Duration,
    ) -> Result<Response<UpstreamBody>, UpstreamError> {
        let origin = self.origin();
        request.headers_mut().insert(HOST, origin.authority().clone());
        let upload = request.body().upload();
        let sent = answered_within(first_byte, upload.as_deref(), pin!(self.send_on_any(request))).await;
        // A body at fault ends the exchange, and only the body knows why.
        match (sent, upload.and_then(|upload| upload.fault())) {
            (Some(Ok(response)), _) => Ok(without_false_length(response)),
            (_, Some(fault)) => Err(UpstreamError::Body(fault)),
            (Some(Err(error)), None) => Err(error),
            (None, None) => Err(UpstreamError::FirstByte(first_byte)),
        }
    }

    async fn send_on_any(&self, mut request: Request<Held>) -> Result<Response<UpstreamBody>, UpstreamError> {
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
        // Boxed, as above, because what is rare and large would make the future of every request as large.
        match Box::pin(self.send_on_new(request)).await {
            Err((_, Some(unsent))) => Box::pin(self.send_on_new(unsent)).await.map_err(|(error, _)| error),
            sent => sent.map_err(|(error, _)| error),
        }
    }

    async fn send_on_new(
        &self,
        request: Request<Held>,
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

    /// Lets others use a connection too. When many start at once, one is enough for all of them.
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

    /// The most recently used connection that still lives. Older ones are dropped on the way.
    fn usable_h1(&self) -> Option<Box<H1>> {
        let mut idle = lock(&self.0.idle);
        while let Some(mut connection) = idle.pop_back() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Lets go of idle connections that the other side has closed, or that are too old to be used.
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

/// Gives up when neither a response comes nor the upload gets on for `limit`: an upstream cannot answer what it does not
/// have yet.
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

/// What has no body by its status may announce one all the same (RFC 9110 §8.6); a server here would try to send it.
fn without_false_length(mut response: Response<UpstreamBody>) -> Response<UpstreamBody> {
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So often a request that the upstream refuses unprocessed is made again over connections that there are, before it goes
/// over new ones, of which there are two.
const MOST_REFUSALS: u32 = 1;

/// Idle connections kept for one worker; more than this many at once is a burst, and its connections may go.
const MAX_IDLE: usize = 256;

#[cfg(test)]
mod tests;
