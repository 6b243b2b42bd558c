//! One HTTP/1.1 connection, driven by whoever uses it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::{Unsent, UpstreamError};
use crate::transport::connect::Stream;
use crate::transport::hold::Held;

/// A connection on which one request at a time is made. Boxed, because it is large and moves between the pool, the waiting
/// request and the response's body.
pub(super) struct H1 {
    sender: SendRequest<Held>,
    connection: Connection<TokioIo<Stream>, Held>,
    idle_since: Instant,
}

impl H1 {
    /// Takes an open connection over.
    pub(super) async fn start(stream: Stream) -> Result<Box<Self>, UpstreamError> {
        let (sender, connection) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .handshake(stream.into_hyper())
            .await
            .map_err(UpstreamError::of)?;
        Ok(Box::new(Self { sender, connection, idle_since: Instant::now() }))
    }

    /// Makes a request and drives the connection until the response's head is there.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Request<Held>,
    ) -> Result<(Response<Incoming>, Box<Self>), (UpstreamError, Option<Unsent>)> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        let mut ended = false;
        let result = poll_fn(|cx| {
            if !ended {
                // How it ended reaches us through the answer.
                ended = Pin::new(&mut *connection).poll(cx).is_ready();
            }
            answer.as_mut().poll(cx)
        })
        .await;
        match result {
            Ok(response) => Ok((response, self)),
            Err(mut error) => {
                let unsent = error.take_message();
                Err((UpstreamError::of(error.into_error()), unsent))
            }
        }
    }

    /// Moves bytes; ready once the connection has ended.
    pub(super) fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.connection).poll(cx).map(drop)
    }

    /// Whether a pooled connection can take a request: not too old, and not closed by the other side meanwhile.
    pub(super) fn is_usable(&mut self) -> bool {
        !self.is_stale() && self.is_open()
    }

    /// Whether it has been idle for longer than an upstream can be expected to keep it.
    pub(super) fn is_stale(&self) -> bool {
        self.idle_since.elapsed() > MAX_IDLE_TIME
    }

    /// Whether it can be pooled after a response was read to its end.
    pub(super) fn becomes_idle(&mut self) -> bool {
        self.idle_since = Instant::now();
        self.is_open()
    }

    /// Lets the connection notice what has happened to it. Nobody waits for it, so there is nobody to wake.
    fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.poll_drive(&mut cx).is_pending() && self.sender.is_ready()
    }
}

/// The Anthropic API sends about 30.
const MAX_HEADERS: usize = 256;

/// The Anthropic API closes idle connections after about 400 s; middleboxes are less patient.
const MAX_IDLE_TIME: Duration = Duration::from_secs(90);
