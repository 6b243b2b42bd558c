//! Serves HTTP/1.1 on connections until a shutdown. Both proxies use it.

mod acceptor;
mod connections;
mod dispatcher;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use self::acceptor::{Acceptor, Plain};
pub use self::connections::{Accepted, Connections, Listening, Place};
pub use self::dispatcher::{Dispatched, Dispatcher};
use super::client_stream::ClientStream;
use super::reply::Reply;
use super::shutdown::{Phase, Shutdown};

/// Answers requests; implemented by each proxy.
pub trait Handler: Clone + Send + 'static {
    /// Answers one request that came over a connection from `peer`.
    fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> impl Future<Output = Response<Reply>> + Send;
}

/// Limits on what clients may use.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Open connections, over all workers; further ones wait in the listener's queue.
    pub connections: Arc<Semaphore>,
    /// From the first byte of a request's head, or from the end of the request before, to the head's last byte.
    pub head_timeout: Duration,
    /// How long a client may stop reading its answer.
    pub write_stall: Option<Duration>,
    /// How long a connection without a request stays open once the shutdown has begun: its next request may be on the way.
    pub last_request: Duration,
}

impl ServeLimits {
    /// Limits that all workers share, without a limit on stalled writes.
    #[must_use]
    pub fn new(connections: usize, head_timeout: Duration) -> Self {
        let connections = Arc::new(Semaphore::new(connections));
        Self { connections, head_timeout, write_stall: None, last_request: Duration::ZERO }
    }

    /// Waits `limit` for requests that cross the beginning of the shutdown.
    #[must_use]
    pub fn with_last_request(mut self, limit: Duration) -> Self {
        self.last_request = limit;
        self
    }

    /// Closes the connection of a client that reads nothing of its answer for `limit`.
    #[must_use]
    pub fn with_write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = Some(limit);
        self
    }
}

/// Serves what comes of `connections` and `acceptor` accepts, until no more come and all have ended, or until `shutdown` is
/// [`Forced`](Phase::Forced) and streams have had a second for their last event.
pub async fn serve<C: Connections, E: Acceptor, H: Handler>(
    mut source: C,
    acceptor: E,
    handler: H,
    limits: ServeLimits,
    mut shutdown: Shutdown,
) {
    let ServeLimits { head_timeout, write_stall, last_request, .. } = limits;
    let server = Server { acceptor, handler, head_timeout, write_stall, last_request, shutdown: shutdown.clone() };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            Some(_) = connections.join_next() => continue,
            accepted = source.next() => accepted,
        };
        match accepted {
            None => break,
            Some(Ok(accepted)) => drop(connections.spawn(server.clone().take_in(accepted))),
            Some(Err(error)) => {
                tracing::warn!(%error, "Cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(source);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all_ended => {}
        () = async { shutdown.reached(Phase::Forced).await; tokio::time::sleep(LAST_WORDS).await } => {}
    }
}

/// What every connection needs; cloned for each.
#[derive(Clone)]
struct Server<E, H> {
    acceptor: E,
    handler: H,
    head_timeout: Duration,
    write_stall: Option<Duration>,
    last_request: Duration,
    shutdown: Shutdown,
}

impl<E: Acceptor, H: Handler> Server<E, H> {
    /// Serves one connection, from its first byte to its last.
    async fn take_in(self, accepted: Accepted) {
        let Accepted { stream, peer, place: _place } = accepted;
        // Without these options a stream is slower or a dead client is noticed later; both are bearable.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
        let admitted = tokio::select! {
            biased;
            admitted = self.acceptor.admit(stream, peer) => admitted,
            () = self.no_more_requests() => None,
        };
        if let Some(stream) = admitted {
            self.speak(stream, peer).await;
        }
    }

    /// Waits until the shutdown has begun and requests that crossed its beginning have come.
    fn no_more_requests(&self) -> impl Future<Output = ()> + use<E, H> {
        let (mut draining, last_request) = (self.shutdown.clone(), self.last_request);
        async move {
            draining.reached(Phase::Draining).await;
            if !last_request.is_zero() {
                tokio::time::sleep(last_request).await;
            }
        }
    }

    async fn speak(self, stream: E::Stream, peer: SocketAddr) {
        let mut no_more_requests = pin!(self.no_more_requests());
        let Self { handler, head_timeout, write_stall, shutdown, .. } = self;
        let refused = Arc::new(AtomicBool::new(false));
        let stream = ClientStream::new(stream, write_stall, Arc::clone(&refused));
        let ending = shutdown.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (handler, refused, ending) = (handler.clone(), Arc::clone(&refused), ending.clone());
            async move {
                let has_body = !request.body().is_end_stream();
                // Boxed, because hyper reserves room for this future as long as the connection lives, and it is large.
                let mut response = Box::pin(handler.handle(request, peer)).await;
                if ending.phase() != Phase::Running {
                    // The client, and not this end, then closes the connection, so no request crosses the close.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                refused.store(has_body && !response.status().is_success(), Ordering::Relaxed);
                Ok::<_, Infallible>(response)
            }
        });
        // Up to 100 headers, hyper's own limit, need no heap. Claude Code sends about 30, corporate gateways add some.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            biased;
            () = no_more_requests.as_mut() => {
                connection.as_mut().graceful_shutdown();
                finish_draining(connection, shutdown).await
            }
            ended = connection.as_mut() => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "A connection ended abnormally");
        }
    }
}

/// On a forced end, polls the connection once more, so that its relay sees the phase and sends its last event.
async fn finish_draining(
    mut connection: std::pin::Pin<&mut impl Future<Output = hyper::Result<()>>>,
    mut shutdown: Shutdown,
) -> hyper::Result<()> {
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shutdown.reached(Phase::Forced) => {}
    }
    tokio::time::timeout(LAST_WORDS, connection).await.unwrap_or(Ok(()))
}

/// Accepting fails when file descriptors run out; trying again at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a stream has to send its last event after a forced end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Bounds the head of a request, and how much of a response is buffered.
const MAX_BUFFER: usize = 64 * 1024;

const KEEPALIVE: Duration = Duration::from_secs(60);
