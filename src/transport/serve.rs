//! Serves HTTP/1.1 on connections until a shutdown. Both proxies use it.

mod acceptor;
mod authenticating;
mod authentication;
mod client_connection;
mod connections;
mod dispatcher;
mod limits;
mod listener;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

pub use self::acceptor::{Acceptor, Plain};
pub use self::authenticating::Authenticating;
pub use self::client_connection::ClientConnection;
pub use self::connections::{Accepted, Connections, Listening, Place};
pub use self::dispatcher::{Dispatched, Dispatcher};
pub use self::limits::ServeLimits;
pub use self::listener::{Listener, Socket};
use super::client_body::ClientBody;
use super::client_stream::ClientStream;
use super::grace::GraceTimer;
use super::problem::Problem;
use super::reply::Reply;
use super::request_head::LONGEST_HEAD;
use super::request_id::RequestId;
use super::shutdown::{Phase, Shutdown};
use crate::wire::ErrorCode;

/// Answers requests; implemented by each proxy.
pub trait Handler: Clone + Send + 'static {
    /// Answers one request that came over `connection`.
    fn handle(
        &self,
        request: Request<ClientBody>,
        connection: &ClientConnection,
    ) -> impl Future<Output = Response<Reply>> + Send;
}

/// Serves what comes of `connections` and `acceptor` accepts, until no more come and all have ended, or until `shutdown` is
/// [`Forced`](Phase::Forced) and streams have had a second for their last event.
pub async fn serve<C: Connections, E: Acceptor<C::Stream>, H: Handler>(
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

impl<E, H: Handler> Server<E, H> {
    /// Serves one connection, from its first byte to its last.
    async fn take_in<S: Socket>(self, accepted: Accepted<S>)
    where
        E: Acceptor<S>,
    {
        let Accepted { stream, peer, place } = accepted;
        let client = ClientConnection::new(peer, place);
        stream.tune();
        let admitted = tokio::select! {
            biased;
            admitted = self.acceptor.admit(stream, peer) => admitted,
            () = self.no_more_requests() => None,
        };
        if let Some(stream) = admitted {
            self.speak(stream, Arc::new(client)).await;
        }
    }

    /// Waits for the shutdown, and then for requests that were on their way when it began.
    fn no_more_requests(&self) -> impl Future<Output = ()> + use<E, H> {
        let (mut draining, last_request) = (self.shutdown.clone(), self.last_request);
        async move {
            draining.reached(Phase::Draining).await;
            if !last_request.is_zero() {
                tokio::time::sleep(last_request).await;
            }
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S, client: Arc<ClientConnection>) {
        let mut no_more_requests = pin!(self.no_more_requests());
        let Self { handler, head_timeout, write_stall, shutdown, .. } = self;
        let stream = ClientStream::new(stream, write_stall, Arc::clone(&client.end));
        let (own, ending) = (Arc::clone(&client), shutdown.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            answer(handler.clone(), request, Arc::clone(&own), ending.clone())
        });
        // Up to 100 headers, hyper's own limit, need no heap. Claude Code sends about 30, corporate gateways add some.
        let connection = http1::Builder::new()
            .timer(GraceTimer)
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
            ended = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                if polled.is_ready() || !client.end.is_near() {
                    return polled;
                }
                connection.as_mut().graceful_shutdown();
                connection.as_mut().poll(cx)
            }) => ended,
            // Behind the connection, which may have received a request with a good credential at this moment.
            () = client.evicted() => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, peer = %client.peer, "A connection ended abnormally");
        }
    }
}

/// Answers one request, and says whether it is the last one of its connection.
#[expect(clippy::manual_async_fn, reason = "an async function would keep its parameters twice in the future")]
fn answer<H: Handler>(
    handler: H,
    request: Request<Incoming>,
    client: Arc<ClientConnection>,
    ending: Shutdown,
) -> impl Future<Output = Result<Response<Reply>, Infallible>> {
    async move {
        let end = &client.end;
        let has_body = !request.body().is_end_stream();
        let mut response = if end.is_near() {
            Problem::new(ErrorCode::RequestInvalid, TOO_LATE).into_response(&RequestId::next())
        } else {
            let request = request.map(|incoming| ClientBody::new(incoming, end));
            // Boxed, because hyper reserves room for this future as long as the connection lives, and it is large.
            Box::pin(handler.handle(request, &client)).await
        };
        if end.is_near() || ending.phase() != Phase::Running {
            // The client, and not this end, then closes the connection, so no request crosses the close.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        end.set_refused(has_body && !response.status().is_success());
        Ok(response)
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

/// Bounds how much of a request is read ahead, and how much of a response is buffered. It leaves room above the longest
/// head, so that one which is a little too long is read and gets a whole answer.
const MAX_BUFFER: usize = LONGEST_HEAD * 3 / 2;

const TOO_LATE: &str =
    "This connection ended with an earlier request, whose body had trailers or was not read to its end";
