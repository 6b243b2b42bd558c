//! One HTTP/2 connection, shared by many requests and driven by a task of its own.

mod body;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::header::HOST;
use http::request::Parts;
use http::{Request, Response, Uri, Version};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub(super) use self::body::H2Body;
use super::{Cut, Unsent, UpstreamBody, UpstreamError};
use crate::transport::connect::Stream;
use crate::transport::hold::Held;
use crate::transport::origin::Origin;
use crate::transport::patience::within;

/// A handle to the connection; clones share it.
#[derive(Clone)]
pub(super) struct H2 {
    sender: SendRequest<Held>,
    /// As many handles as there are streams, and one for each `H2`.
    streams: Arc<()>,
    /// How many streams the upstream allowed at once when the connection was last used.
    allowed: Arc<AtomicUsize>,
}

/// Keeps a stream counted while it lives.
pub(super) type StreamCount = Arc<()>;

impl H2 {
    /// Takes an open connection over. The task that drives it ends with the connection, and that ends when the last
    /// handle and the last stream are gone.
    pub(super) async fn start(stream: Stream) -> Result<Self, UpstreamError> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(stream.into_hyper())
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
        Ok(Self { sender, streams: Arc::default(), allowed })
    }

    /// Whether new requests can go over it.
    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Whether one more stream can be opened now. Beyond the upstream's limit a request would wait for another's end.
    pub(super) fn has_room(&self) -> bool {
        Arc::strong_count(&self.streams) <= self.allowed.load(Ordering::Relaxed).min(MAX_STREAMS)
    }

    /// Makes a request. One that the upstream has not looked at is given back with the error, if all of it is still here.
    pub(super) async fn send(
        mut self,
        request: Request<Held>,
        origin: &Origin,
    ) -> Result<Response<UpstreamBody>, (UpstreamError, Option<Unsent>)> {
        let (head, body) = request.into_parts();
        let (upload, mut again) = (body.upload(), body.again());
        if let Err(error) = self.sender.ready().await {
            return Err((broken(error), Some(Request::from_parts(head, body))));
        }
        let unsent = |body: Option<Held>| body.map(|body| Request::from_parts(head.clone(), body));
        let mut sending = pin!(self.sender.try_send_request(addressed(head.clone(), body, origin)));
        let sent = if let Some(sent) = within(REFUSED_WITHIN, sending.as_mut()).await {
            sent
        } else {
            again = None;
            sending.await
        };
        match sent {
            Ok(response) => Ok(response.map(|incoming| UpstreamBody::h2(H2Body::new(incoming, upload, self.streams)))),
            Err(mut refused) => {
                let unwritten = refused.take_message().map(Request::into_body);
                let cut = Cut::Http2(refused.into_error());
                let again = again.filter(|_| cut.is_unprocessed());
                Err((UpstreamError::of(cut), unsent(unwritten.or(again))))
            }
        }
    }
}

/// HTTP/2 has the authority in the target and no Host (RFC 9113 §8.3.1).
fn addressed(mut head: Parts, body: Held, origin: &Origin) -> Request<Held> {
    head.headers.remove(HOST);
    let mut target = origin.connect_uri().into_parts();
    target.path_and_query = head.uri.path_and_query().cloned();
    head.uri = Uri::from_parts(target).expect("an origin and a path make a URI");
    head.version = Version::HTTP_2;
    Request::from_parts(head, body)
}

fn broken(error: hyper::Error) -> UpstreamError {
    UpstreamError::of(Cut::Http2(error))
}

/// Servers are asked to allow at least this many (RFC 9113 §6.5.2).
const MAX_STREAMS: usize = 100;

/// What the upstream may send of one answer before its client has taken anything: 5 MB a second over 50 ms.
const STREAM_WINDOW: u32 = 256 << 10;
/// Room for all streams: clients that take nothing of theirs leave the others what is theirs.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
/// Who refuses a request unprocessed says so at once. For longer its body is not held for that.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
