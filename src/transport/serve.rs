//! Accepts connections and serves HTTP/1.1 on them until a shutdown. Both proxies use it.

mod acceptor;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

pub use self::acceptor::{Acceptor, Plain};
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
}

impl ServeLimits {
    /// Limits that all workers share, without a limit on stalled writes.
    #[must_use]
    pub fn new(connections: usize, head_timeout: Duration) -> Self {
        Self { connections: Arc::new(Semaphore::new(connections)), head_timeout, write_stall: None }
    }

    /// Closes the connection of a client that reads nothing of its answer for `limit`.
    #[must_use]
    pub fn with_write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = Some(limit);
        self
    }
}

/// Serves connections that `acceptor` accepts, until `shutdown` is [`Draining`](Phase::Draining) and all connections
/// have ended, or until it is [`Forced`](Phase::Forced) and streams have had a second for their last event.
pub async fn serve<E: Acceptor, H: Handler>(
    listener: TcpListener,
    acceptor: E,
    handler: H,
    limits: ServeLimits,
    mut shutdown: Shutdown,
) {
    let ServeLimits { head_timeout, write_stall, .. } = limits;
    let server = Server { acceptor, handler, head_timeout, write_stall, shutdown: shutdown.clone() };
    let mut connections = JoinSet::new();
    let mut draining = shutdown.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = draining.reached(Phase::Draining) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &limits) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                connections.spawn(server.clone().take_in(stream, peer, slot));
            }
            Err(error) => {
                tracing::warn!(%error, "Cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all_ended => {}
        () = async { shutdown.reached(Phase::Forced).await; tokio::time::sleep(LAST_WORDS).await } => {}
    }
}

async fn accept(
    listener: &TcpListener,
    limits: &ServeLimits,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = Arc::clone(&limits.connections).acquire_owned().await.map_err(io::Error::other)?;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((stream, peer, slot)),
            // The client left before its connection was accepted; the listener is fine.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What every connection needs; cloned for each.
#[derive(Clone)]
struct Server<E, H> {
    acceptor: E,
    handler: H,
    head_timeout: Duration,
    write_stall: Option<Duration>,
    shutdown: Shutdown,
}

impl<E: Acceptor, H: Handler> Server<E, H> {
    /// Serves one connection, from its first byte to its last.
    async fn take_in(self, stream: TcpStream, peer: SocketAddr, _slot: OwnedSemaphorePermit) {
        // Without these options a stream is slower or a dead client is noticed later; both are bearable.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
        let mut draining = self.shutdown.clone();
        let admitted = tokio::select! {
            biased;
            admitted = self.acceptor.admit(stream, peer) => admitted,
            // A client that has not sent a request yet loses nothing.
            () = draining.reached(Phase::Draining) => None,
        };
        if let Some(stream) = admitted {
            self.speak(stream, peer, draining).await;
        }
    }

    async fn speak(self, stream: E::Stream, peer: SocketAddr, mut draining: Shutdown) {
        let Self { handler, head_timeout, write_stall, shutdown, .. } = self;
        let refused = Arc::new(AtomicBool::new(false));
        let stream = ClientStream::new(stream, write_stall, Arc::clone(&refused));
        let service = service_fn(move |request: Request<Incoming>| {
            let (handler, refused) = (handler.clone(), Arc::clone(&refused));
            async move {
                let has_body = !request.body().is_end_stream();
                // Boxed, because hyper reserves room for this future as long as the connection lives, and it is large.
                let response = Box::pin(handler.handle(request, peer)).await;
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
            // In this order, an answer after the beginning of the drain says `connection: close`.
            biased;
            () = draining.reached(Phase::Draining) => {
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
