//! Reads a client's body piece by piece: joins small pieces that come together, and gives up a body that stalls.
//!
//! hyper hands over one chunk at a time, however small. Inspectors and the connection to the upstream would otherwise do
//! their work for each byte of a body that comes in chunks of one byte.

use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, SizeHint};

use super::BodyError;
use crate::transport::client_body::ClientBody;
use crate::transport::idle_timeout::IdleTimeout;

pub(super) struct BodyReader {
    body: ClientBody,
    /// The first of the small pieces; all of them are in `joined` once there is another.
    first: Bytes,
    joined: BytesMut,
    /// What came behind the small pieces: a piece that is too large to join them, an error, or the end.
    next: Option<Next>,
    /// The last look found nothing to join. hyper reads on before the next look.
    looked: bool,
    is_waiting: bool,
    idle_timeout: IdleTimeout,
}

type Next = Option<Result<Bytes, BodyError>>;

impl BodyReader {
    /// Gives `body` up when it pauses for `idle_timeout` (the idle timeout).
    pub(super) fn new(body: ClientBody, idle_timeout: Duration) -> Self {
        Self {
            body,
            first: Bytes::new(),
            joined: BytesMut::new(),
            next: None,
            looked: false,
            is_waiting: false,
            idle_timeout: IdleTimeout::new(idle_timeout),
        }
    }

    /// The next bytes, `None` at the end.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(next);
        }
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else { return self.poll_more(cx) };
            (self.looked, self.is_waiting) = (false, false);
            let came: Next = match frame {
                None => None,
                Some(Err(error)) => Some(Err(error.into())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if piece.len() > SMALL => Some(Ok(piece)),
                    Ok(piece) => match self.join(piece) {
                        Some(full) => return Poll::Ready(Some(Ok(full))),
                        None if self.body.is_end_stream() => return Poll::Ready(Some(Ok(self.take_held()))),
                        None => continue,
                    },
                    // The body keeps trailers to itself.
                    Err(_) => continue,
                },
            };
            if self.held() == 0 {
                return Poll::Ready(came);
            }
            self.next = Some(came);
            return Poll::Ready(Some(Ok(self.take_held())));
        }
    }

    /// Waits for more: small pieces until hyper has none at once, and else until the idle timeout.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if self.held() == 0 {
            if !self.is_waiting {
                self.is_waiting = true;
                self.idle_timeout.reset();
            }
            return self.idle_timeout.poll(cx).map(|limit| Some(Err(BodyError::Stalled(limit))));
        }
        if self.looked {
            self.looked = false;
            return Poll::Ready(Some(Ok(self.take_held())));
        }
        self.looked = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn held(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    /// Adds a small piece to those before it. If there is no room, returns those, and begins anew with the piece.
    fn join(&mut self, piece: Bytes) -> Option<Bytes> {
        let full = (self.held() + piece.len() > SMALL).then(|| self.take_held());
        if self.held() == 0 {
            self.first = piece;
            return full;
        }
        if self.joined.is_empty() {
            self.joined.reserve(SMALL);
            self.joined.extend_from_slice(&take(&mut self.first));
        }
        self.joined.extend_from_slice(&piece);
        full
    }

    fn take_held(&mut self) -> Bytes {
        if self.joined.is_empty() { take(&mut self.first) } else { take(&mut self.joined).freeze() }
    }

    /// Whether no further piece comes.
    pub(super) fn is_end(&self) -> bool {
        self.held() == 0 && self.next.as_ref().map_or_else(|| self.body.is_end_stream(), Option::is_none)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let next = if let Some(Some(Ok(piece))) = &self.next { piece.len() } else { 0 };
        let here = (self.held() + next) as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(here + body.lower());
        if let Some(upper) = body.upper() {
            hint.set_upper(here + upper);
        }
        hint
    }
}

/// In bytes: smaller pieces are copied together, up to this length.
pub(super) const SMALL: usize = 4 * 1024;
