//! Accepts connections and serves HTTP/1.1 on them until told to end.

mod entrance;

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

pub use self::entrance::{Entrance, Plain};
use super::linger::Linger;
use super::reply::Reply;
use super::shutdown::{Phase, Shutdown};
use super::write_stall::WriteStall;

/// Answers requests.
pub trait Handler: Clone + Send + 'static {
    /// Answers one request that came from `peer`.
    fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> impl Future<Output = Response<Reply>> + Send;
}

/// What a client may use up.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Connections at once, over all workers; more wait in the listener's queue.
    pub connections: Arc<Semaphore>,
    /// From the first byte of a request's head, or from the end of the request before it, to the head's last byte.
    pub head_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub write_stall: Option<Duration>,
}

impl ServeLimits {
    /// The limits as they are shared by all workers.
    #[must_use]
    pub fn new(connections: usize, head_timeout: Duration) -> Self {
        Self { connections: Arc::new(Semaphore::new(connections)), head_timeout, write_stall: None }
    }

    /// Ends the connection of a client that takes nothing for so long.
    #[must_use]
    pub fn with_write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = Some(limit);
        self
    }
}

/// Serves what `entrance` lets in until `shutdown` is [`Draining`](Phase::Draining) and every connection has ended, or
/// [`Forced`](Phase::Forced) and a moment has passed for last words.
pub async fn serve<E: Entrance, H: Handler>(
    listener: TcpListener,
    entrance: E,
    handler: H,
    limits: ServeLimits,
    mut shutdown: Shutdown,
) {
    let ServeLimits { head_timeout, write_stall, .. } = limits;
    let server = Server { entrance, handler, head_timeout, write_stall, shutdown: shutdown.clone() };
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
            // The client was gone before we came to it; the listener is fine.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What every connection is served with.
#[derive(Clone)]
struct Server<E, H> {
    entrance: E,
    handler: H,
    head_timeout: Duration,
    write_stall: Option<Duration>,
    shutdown: Shutdown,
}

impl<E: Entrance, H: Handler> Server<E, H> {
    /// One connection, from its first byte to its last.
    async fn take_in(self, stream: TcpStream, peer: SocketAddr, _slot: OwnedSemaphorePermit) {
        // Without these a stream is slower or a dead peer is noticed late; it works all the same.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
        let mut draining = self.shutdown.clone();
        let admitted = tokio::select! {
            biased;
            admitted = self.entrance.admit(stream, peer) => admitted,
            // Who has not asked for anything yet loses nothing.
            () = draining.reached(Phase::Draining) => None,
        };
        if let Some(stream) = admitted {
            self.speak(stream, peer, draining).await;
        }
    }

    async fn speak(self, stream: E::Stream, peer: SocketAddr, mut draining: Shutdown) {
        let Self { handler, head_timeout, write_stall, shutdown, .. } = self;
        let refused = Arc::new(AtomicBool::new(false));
        let stream = Linger::new(WriteStall::new(stream, write_stall), Arc::clone(&refused));
        let service = service_fn(move |request: Request<Incoming>| {
            let (handler, refused) = (handler.clone(), Arc::clone(&refused));
            async move {
                let has_body = !request.body().is_end_stream();
                // Boxed, because hyper keeps the room for this future as long as the connection, and it is large.
                let response = Box::pin(handler.handle(request, peer)).await;
                refused.store(has_body && !response.status().is_success(), Ordering::Relaxed);
                Ok::<_, Infallible>(response)
            }
        });
        // Up to 100 headers, hyper's own limit, need no room on the heap. Claude Code sends about 30, corporate gateways add
        // some.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = draining.reached(Phase::Draining) => {
                connection.as_mut().graceful_shutdown();
                finish_draining(connection, shutdown).await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "A connection ended abnormally");
        }
    }
}

/// A forced end wakes the connection once more, so that its relay sees the phase and says its last words.
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

/// Accepting fails when descriptors run out; trying again at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a stream has to send its last event after a forced end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Bounds the head of a request and what is buffered of a response.
const MAX_BUFFER: usize = 64 * 1024;

const KEEPALIVE: Duration = Duration::from_secs(60);
