//! One HTTP/2 connection (RFC 9113), shared by many requests and driven by a task of its own.

mod body;
mod frames;
mod progress;
mod sent_body;
mod silence;
mod watched;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::HOST;
use http::request::Parts;
use http::{Request, Response, Uri, Version};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

pub(super) use self::body::H2Body;
use self::progress::{MAX_STREAMS, Progress};
use self::sent_body::SentBody;
use self::watched::Watched;
use super::error::{Unsent, UpstreamError};
use super::read_error::UpstreamReadError;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::Stream;
use crate::transport::grace::within;
use crate::transport::origin::Origin;

/// A handle to the connection; clones share the connection.
#[derive(Clone)]
pub(super) struct H2 {
    sender: SendRequest<SentBody>,
    /// One reference for each open stream and one for each `H2`.
    streams: Arc<()>,
    /// How many streams the upstream allowed at once when the connection was last polled.
    allowed: Arc<AtomicUsize>,
    progress: Progress,
}

impl H2 {
    /// Takes over an open connection. The task that drives it ends with the connection, which ends when the last handle
    /// and the last stream are dropped.
    pub(super) async fn start(stream: Stream) -> Result<Self, UpstreamError> {
        let (progress, streams) = (Progress::new(), Arc::new(()));
        let watched = Watched::new(stream, progress.clone(), Arc::downgrade(&streams));
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(watched))
            .await
            .map_err(broken)?;
        let allowed = Arc::new(AtomicUsize::new(MAX_STREAMS));
        let noted = Arc::clone(&allowed);
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let driven = poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                noted.store(connection.current_max_send_streams(), Ordering::Relaxed);
                polled
            });
            if let Err(error) = driven.await {
                tracing::debug!(%error, "an HTTP/2 connection to the upstream ended");
            }
        });
        Ok(Self { sender, streams, allowed, progress })
    }

    /// Whether the connection is open, and has streams or is worth keeping: it would take a request, and is not idle for
    /// longer than upstreams can be expected to keep it open. Asked of the pool's own handle.
    pub(super) fn is_usable(&self) -> bool {
        let is_idle = Arc::strong_count(&self.streams) == 1;
        let is_kept = !is_idle || (self.since_read() <= MAX_IDLE_TIME && !self.progress.is_quiet());
        is_kept && !self.sender.is_closed()
    }

    /// Whether one more stream can be opened now, and would get an answer. Beyond the upstream's limit a request would
    /// wait for another to end, and on a connection on which nothing is answered perhaps for ever.
    pub(super) fn has_room(&self) -> bool {
        let open = Arc::strong_count(&self.streams);
        open <= self.allowed.load(Ordering::Relaxed).min(MAX_STREAMS) && !self.progress.is_quiet()
    }

    /// The time since the upstream sent anything, with open streams or without.
    pub(super) fn since_read(&self) -> Duration {
        self.progress.since_read()
    }

    /// Sends a request. One that the upstream did not process is given back with the error, if its body is still whole.
    pub(super) async fn send(
        mut self,
        request: Request<BufferedBody>,
        origin: &Origin,
    ) -> Result<Response<H2Body>, (UpstreamError, Option<Unsent>)> {
        let (head, body) = request.into_parts();
        let (upload, mut again) = (body.upload(), body.again());
        if let Err(error) = self.sender.ready().await {
            return Err((broken(error), Some(Request::from_parts(head, body))));
        }
        let unsent = |body: Option<BufferedBody>| body.map(|body| Request::from_parts(head.clone(), body));
        let (stream, _waiting) = self.progress.ask();
        let body = SentBody::new(body, stream.upload());
        let mut sending = pin!(self.sender.try_send_request(addressed(head.clone(), body, origin)));
        let sent = if let Some(sent) = within(REFUSED_WITHIN, sending.as_mut()).await {
            sent
        } else {
            again = None;
            sending.await
        };
        match sent {
            Ok(response) => {
                self.progress.answered();
                Ok(response.map(|incoming| H2Body::new(incoming, upload, (self.streams, stream))))
            }
            Err(mut refused) => {
                let unwritten = refused.take_message().map(|request| request.into_body().into_inner());
                let cut = UpstreamReadError::Http2(refused.into_error());
                let again = again.filter(|_| cut.is_unprocessed());
                Err((UpstreamError::of(cut), unsent(unwritten.or(again))))
            }
        }
    }
}

/// HTTP/2 names the host in the target (`:authority`) and not in `Host` (RFC 9113 §8.3.1).
fn addressed(mut head: Parts, body: SentBody, origin: &Origin) -> Request<SentBody> {
    head.headers.remove(HOST);
    let mut target = origin.connect_uri().into_parts();
    target.path_and_query = head.uri.path_and_query().cloned();
    head.uri = Uri::from_parts(target).expect("an origin and a path make a URI");
    head.version = Version::HTTP_2;
    Request::from_parts(head, body)
}

fn broken(error: hyper::Error) -> UpstreamError {
    UpstreamError::of(UpstreamReadError::Http2(error))
}

/// How much of one answer the upstream may send before its client reads: 5 MB/s over a round trip of 50 ms.
const STREAM_WINDOW: u32 = 256 << 10;
/// Large enough that streams with stalled clients cannot starve the others.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
/// How long a copy of the body is kept for a retry. An upstream that refuses a request unprocessed does so at once.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);
/// A connection whose upstream answers no PING is closed after both of these.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer idle connections may be dead without notice.
const MAX_IDLE_TIME: Duration = Duration::from_secs(90);
