//! One HTTP/1.1 connection, driven by the caller that waits for its response and then by the response's body.
//!
//! The relay has its own client. With hyper's in its place a small request costs a fifth more, an event of a burst
//! twice as much, and an open stream 12 kB more: a general client keeps a channel between the connection and its user,
//! and a buffer for each direction as long as the connection lives (`docs/decisions/0001-own-http1-client.md`).

pub(crate) mod framing;
pub(crate) mod head;
mod outgoing;
mod received;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Version};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use self::framing::Framing;
use self::outgoing::Outgoing;
use self::received::Received;
use super::error::{Unsent, UpstreamError};
use super::read_error::UpstreamReadError;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::Stream;
use crate::transport::headers::DropsHeader;

/// A connection that makes one request at a time (no pipelining, RFC 9112 §9.3.2). Its users box it: it moves between
/// the pool, the waiting request and the response's body.
pub(super) struct H1 {
    stream: Stream,
    drops: DropsHeader,
    /// The request, until all of it is written.
    outgoing: Option<Outgoing>,
    /// Why the request cannot be written; its response may have come all the same (RFC 9112 §9.5).
    unwritten: Option<UpstreamReadError>,
    /// Interim responses that came before the one that is awaited.
    interim: u32,
    received: Received,
    pub(super) framing: Framing,
    /// How reading ended, until the bytes read before are used up.
    read_end: Option<UpstreamReadError>,
    keeps_alive: bool,
    idle_since: Instant,
}

/// What a look at an idle connection tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Open,
    /// The upstream has closed it, or has sent bytes that answer no request.
    Closed,
    /// The task has spent its budget with tokio, and every socket looks quiet.
    Unknown,
}

impl H1 {
    pub(super) fn new(stream: Stream, drops: DropsHeader) -> Box<Self> {
        Box::new(Self {
            stream,
            drops,
            outgoing: None,
            unwritten: None,
            interim: 0,
            received: Received::default(),
            framing: Framing::Length(0),
            read_end: None,
            keeps_alive: true,
            idle_since: Instant::now(),
        })
    }

    /// Sends a request and waits for the response's head; the returned connection yields the body. A request of which
    /// no byte was written is given back with the error.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Request<BufferedBody>,
    ) -> Result<(Response<()>, Box<Self>), (UpstreamError, Option<Unsent>)> {
        let (head, body) = request.into_parts();
        self.outgoing = Some(Outgoing::new(&head, body));
        self.interim = 0;
        match poll_fn(|cx| self.poll_head(cx)).await {
            Ok(mut response) => match self.begin_body(&response, head.method == Method::HEAD) {
                Ok(()) => {
                    // The version belongs to this hop (RFC 9110 §2.5); hyper's server would copy it to the client's.
                    *response.version_mut() = Version::HTTP_11;
                    Ok((response, self))
                }
                Err(error) => Err((error, None)),
            },
            // The body itself failed, and would fail over any connection.
            Err(UpstreamReadError::Request) => Err((UpstreamError::of(UpstreamReadError::Request), None)),
            Err(cut) => {
                let unsent = self.outgoing.take().and_then(Outgoing::into_unsent);
                Err((UpstreamError::of(cut), unsent.map(|body| Request::from_parts(head, body))))
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, UpstreamReadError>> {
        self.write(cx)?;
        loop {
            if !self.received.bytes.is_empty()
                && let Some(response) = head::take(&mut self.received.bytes, self.drops)?
            {
                // Interim responses are skipped (RFC 9110 §15.2); a change of protocol is final (§15.2.2).
                let is_interim =
                    response.status().is_informational() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
                if !is_interim {
                    return Poll::Ready(Ok(response));
                }
                self.interim += 1;
                if self.interim > MOST_INTERIM {
                    return Poll::Ready(Err(UpstreamReadError::Syntax("too many interim responses")));
                }
            } else {
                let read = ready!(self.received.poll_read(&mut self.stream, cx));
                let end = match read {
                    Ok(0) => UpstreamReadError::Closed,
                    Ok(_) => continue,
                    Err(error) => UpstreamReadError::Io(error),
                };
                return Poll::Ready(Err(self.unwritten.take().unwrap_or(end)));
            }
        }
    }

    fn begin_body(&mut self, response: &Response<()>, to_head_request: bool) -> Result<(), UpstreamError> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::Invalid(UpstreamReadError::Syntax(
                "it switches protocols, which was not requested",
            )));
        }
        self.framing = head::framing(response, to_head_request).map_err(UpstreamError::of)?;
        // A 204 or 304 has no body (RFC 9112 §6.3). An upstream that announces one may send it, and it would be read as
        // the next answer. A response to `HEAD` announces a body and has none.
        let announced = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| response.headers().contains_key(name));
        let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_odd = announced && has_none && !to_head_request;
        self.keeps_alive = head::keeps_alive(response) && !is_odd;
        Ok(())
    }

    /// The next bytes of the response's body: all that have arrived, up to a limit. `None` at the end.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamReadError>>> {
        if let Err(cut) = self.write(cx) {
            self.read_end.get_or_insert(cut);
        }
        loop {
            let waits = !self.framing.is_all_in(&self.received.bytes) && self.gather(cx);
            let data = match self.framing.take(&mut self.received.bytes) {
                Ok(data) if data.is_empty() => None,
                data => Some(data),
            };
            if data.is_some() || self.framing.is_end() {
                return Poll::Ready(data);
            }
            if let Some(end) = self.read_end.take() {
                let cut = if matches!(end, UpstreamReadError::Closed) { self.framing.close().err() } else { Some(end) };
                self.keeps_alive = false;
                return Poll::Ready(cut.map(Err));
            }
            if waits {
                self.received.release_if_empty();
                return Poll::Pending;
            }
        }
    }

    /// Reads at least once, and on until no more bytes are here or there are enough; true if it has to wait for more.
    fn gather(&mut self, cx: &mut Context<'_>) -> bool {
        while self.read_end.is_none() {
            match self.received.poll_read(&mut self.stream, cx) {
                Poll::Ready(Ok(0)) => self.read_end = Some(UpstreamReadError::Closed),
                Poll::Ready(Ok(_)) if self.received.bytes.len() < GATHER => {}
                Poll::Ready(Ok(_)) => break,
                Poll::Ready(Err(error)) => self.read_end = Some(UpstreamReadError::Io(error)),
                Poll::Pending => return true,
            }
        }
        false
    }

    /// Writes as much of the request as the connection takes. If writing fails, reading goes on: the upstream may have
    /// answered before it closed (RFC 9112 §9.5).
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), UpstreamReadError> {
        if self.unwritten.is_some() {
            return Ok(());
        }
        let Some(outgoing) = &mut self.outgoing else { return Ok(()) };
        match outgoing.poll_write(&mut self.stream, cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.outgoing = None,
            Poll::Ready(Err(UpstreamReadError::Request)) => return Err(UpstreamReadError::Request),
            Poll::Ready(Err(error)) => {
                self.unwritten = Some(error);
                if outgoing.written {
                    self.outgoing = None;
                }
            }
        }
        Ok(())
    }

    /// How long it has been idle at the time `now`.
    pub(super) fn idle_at(&self, now: Instant) -> Duration {
        now.duration_since(self.idle_since)
    }

    /// Whether the connection can go back to the pool, after a response was read to its end.
    pub(super) fn becomes_idle(&mut self) -> bool {
        self.idle_since = Instant::now();
        let is_written = self.outgoing.is_none() && self.unwritten.is_none();
        let is_clean = is_written && self.read_end.is_none() && self.received.bytes.is_empty();
        self.received.release_if_empty();
        self.keeps_alive && is_clean && self.look() == Look::Open
    }

    /// Looks whether the connection can be used. No task waits for this read, so it has no waker.
    pub(super) fn look(&mut self) -> Look {
        if !has_budget_remaining() {
            return Look::Unknown;
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = [0];
        let read = Pin::new(&mut self.stream).poll_read(&mut cx, &mut ReadBuf::new(&mut room));
        if read.is_pending() { Look::Open } else { Look::Closed }
    }
}

/// The most interim responses before one answer. Real upstreams send one or two; an endless row of them would keep a worker
/// busy for as long as the first byte may take.
pub(super) const MOST_INTERIM: u32 = 32;

/// Small pieces that are ready together leave in one write of up to this many bytes.
const GATHER: usize = 8 * 1024;
