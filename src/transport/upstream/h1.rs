//! One HTTP/1.1 connection, driven by whoever uses it.
//!
//! The relay's own client, because a general one pays at each request for what the relay never uses: a channel between
//! the connection and its user, and a buffer for each direction for as long as the connection lives.

mod framing;
mod head;
mod outgoing;
mod received;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::SizeHint;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use self::framing::Framing;
use self::outgoing::{Outgoing, Unwritten};
use self::received::Received;
use super::{Cut, Unsent, UpstreamError};
use crate::transport::connect::Stream;
use crate::transport::hold::Held;

/// A connection on which one request at a time is made. Boxed by its users: it moves between the pool, the waiting request
/// and the response's body.
pub(super) struct H1 {
    stream: Stream,
    /// The request, as long as it is not all written.
    outgoing: Option<Outgoing>,
    /// Why it cannot be; the response may be there all the same.
    unwritten: Option<Cut>,
    received: Received,
    framing: Framing,
    /// How reading ended, until what was read before is used up.
    read_end: Option<Cut>,
    keeps_alive: bool,
    idle_since: Instant,
}

impl H1 {
    /// Takes an open connection over.
    pub(super) fn new(stream: Stream) -> Box<Self> {
        Box::new(Self {
            stream,
            outgoing: None,
            unwritten: None,
            received: Received::default(),
            framing: Framing::Length(0),
            read_end: None,
            keeps_alive: true,
            idle_since: Instant::now(),
        })
    }

    /// Makes a request and waits for the response's head; the connection that comes with it has the body. A request of which
    /// not one byte was written is given back with the error.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Request<Held>,
    ) -> Result<(Response<()>, Box<Self>), (UpstreamError, Option<Unsent>)> {
        let (head, body) = request.into_parts();
        self.outgoing = Some(Outgoing::new(&head, body));
        match poll_fn(|cx| self.poll_head(cx)).await {
            Ok(mut response) => match self.begin_body(&response, head.method == Method::HEAD) {
                Ok(()) => {
                    // The version is this hop's; a server would copy it to its own.
                    *response.version_mut() = Version::HTTP_11;
                    Ok((response, self))
                }
                Err(error) => Err((error, None)),
            },
            // Its body is at fault, over any connection.
            Err(Cut::Request) => Err((UpstreamError::of(Cut::Request), None)),
            Err(cut) => {
                let unsent = self.outgoing.take().and_then(Outgoing::into_unsent);
                Err((UpstreamError::of(cut), unsent.map(|body| Request::from_parts(head, body))))
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, Cut>> {
        self.write(cx)?;
        loop {
            if !self.received.bytes.is_empty()
                && let Some(response) = head::take(&mut self.received.bytes)?
            {
                let is_interim =
                    response.status().is_informational() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
                if !is_interim {
                    return Poll::Ready(Ok(response));
                }
            } else {
                let read = ready!(self.received.poll_read(&mut self.stream, cx));
                let end = match read {
                    Ok(0) => Cut::Closed,
                    Ok(_) => continue,
                    Err(error) => Cut::Io(error),
                };
                return Poll::Ready(Err(self.unwritten.take().unwrap_or(end)));
            }
        }
    }

    fn begin_body(&mut self, response: &Response<()>, to_head_request: bool) -> Result<(), UpstreamError> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(UpstreamError::Invalid(Cut::Syntax("it switches protocols, which nobody asked for")));
        }
        self.framing = head::framing(response, to_head_request).map_err(UpstreamError::of)?;
        // A body that is announced where none can be may follow all the same, and would be taken for the next answer.
        let announced = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| response.headers().contains_key(name));
        let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_odd = announced && has_none && !to_head_request;
        self.keeps_alive = head::keeps_alive(response) && !is_odd;
        Ok(())
    }

    /// The next bytes of the response's body: all that are here, as far as they are few. `None` at the end.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
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
                let cut = if matches!(end, Cut::Closed) { self.framing.close().err() } else { Some(end) };
                self.keeps_alive = false;
                return Poll::Ready(cut.map(Err));
            }
            if waits {
                self.received.release_if_empty();
                return Poll::Pending;
            }
        }
    }

    /// Reads once at least, and on until nothing more is here or it is enough; true when there will be more later.
    fn gather(&mut self, cx: &mut Context<'_>) -> bool {
        while self.read_end.is_none() {
            match self.received.poll_read(&mut self.stream, cx) {
                Poll::Ready(Ok(0)) => self.read_end = Some(Cut::Closed),
                Poll::Ready(Ok(_)) if self.received.bytes.len() < GATHER => {}
                Poll::Ready(Ok(_)) => break,
                Poll::Ready(Err(error)) => self.read_end = Some(Cut::Io(error)),
                Poll::Pending => return true,
            }
        }
        false
    }

    /// Writes what can be written of the request. A connection that takes no more is read to its end all the same: the
    /// upstream may have answered first.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Cut> {
        if self.unwritten.is_some() {
            return Ok(());
        }
        let Some(outgoing) = &mut self.outgoing else { return Ok(()) };
        match outgoing.poll_write(&mut self.stream, cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.outgoing = None,
            Poll::Ready(Err(Unwritten::Io(error))) => {
                self.unwritten = Some(Cut::Io(error));
                if outgoing.is_begun() {
                    self.outgoing = None;
                }
            }
            Poll::Ready(Err(Unwritten::Body)) => return Err(Cut::Request),
        }
        Ok(())
    }

    /// Whether the response's body was read to its end.
    pub(super) fn is_end(&self) -> bool {
        self.framing.is_end()
    }

    /// How much of the response's body is to come, if the upstream said.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.framing.size_hint()
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
        let is_written = self.outgoing.is_none() && self.unwritten.is_none();
        let is_clean = is_written && self.read_end.is_none() && self.received.bytes.is_empty();
        self.received.release_if_empty();
        self.keeps_alive && is_clean && self.is_open()
    }

    /// Whether the other side has neither closed it nor said something that nobody asked for. Nobody waits for it, so
    /// there is nobody to wake.
    fn is_open(&mut self) -> bool {
        // Without budget every socket looks quiet.
        if !has_budget_remaining() {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut room = [0];
        Pin::new(&mut self.stream).poll_read(&mut cx, &mut ReadBuf::new(&mut room)).is_pending()
    }
}

/// Small pieces that are ready together leave in one write, up to this size.
const GATHER: usize = 8 * 1024;

/// The Anthropic API closes idle connections after about 400 s; middleboxes are less patient.
const MAX_IDLE_TIME: Duration = Duration::from_secs(90);
