//! The body of an upstream's response, which drives the connection it comes over.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming, SizeHint};

use super::Upstream;
use super::h1::H1;
use super::h2::StreamCount;

/// Bytes as the upstream sends them. Small pieces that are ready together come as one, so that they leave in one
/// write.
///
/// Dropped before its end it closes an HTTP/1.1 connection and resets an HTTP/2 stream: the upstream stops working for
/// nobody. At its end the connection goes back to the pool.
pub struct UpstreamBody {
    incoming: Incoming,
    connection: Option<(Box<H1>, Upstream)>,
    _stream: Option<StreamCount>,
    /// What was read together with `Ready` pieces before it and comes next.
    next: Option<Next>,
}

/// Bytes, an error, or the end.
type Next = Option<Result<Bytes, hyper::Error>>;

impl UpstreamBody {
    pub(super) fn h1(incoming: Incoming, connection: Box<H1>, home: Upstream) -> Self {
        let mut body = Self { incoming, connection: Some((connection, home)), _stream: None, next: None };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        body
    }

    pub(super) fn h2(incoming: Incoming, stream: StreamCount) -> Self {
        Self { incoming, connection: None, _stream: Some(stream), next: None }
    }

    /// The next bytes; `None` at the end.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(next);
        }
        let first = match self.poll_piece(cx) {
            Poll::Ready(Some(Ok(first))) => first,
            other => return other,
        };
        let together = self.gather(cx, first);
        if self.incoming.is_end_stream() {
            self.give_back();
        }
        Poll::Ready(Some(Ok(together)))
    }

    /// Whether everything was read.
    pub fn is_end(&self) -> bool {
        match &self.next {
            None => self.incoming.is_end_stream(),
            Some(next) => next.is_none(),
        }
    }

    /// How much is to come, if the upstream said.
    pub fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// Appends what else is ready now, as long as it is little.
    fn gather(&mut self, cx: &mut Context<'_>, first: Bytes) -> Bytes {
        if first.len() >= GATHER_MAX {
            return first;
        }
        let mut first = Some(first);
        let mut together = BytesMut::new();
        loop {
            match self.poll_piece(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    if let Some(first) = first.take() {
                        together.reserve(GATHER_MAX + first.len());
                        together.extend_from_slice(&first);
                    }
                    if together.len() + piece.len() > together.capacity() {
                        self.next = Some(Some(Ok(piece)));
                        break;
                    }
                    together.extend_from_slice(&piece);
                }
                Poll::Ready(end) => {
                    self.next = Some(end);
                    break;
                }
                Poll::Pending => break,
            }
        }
        first.unwrap_or_else(|| together.freeze())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            let mut frame = Pin::new(&mut self.incoming).poll_frame(cx);
            if frame.is_pending()
                && let Some((connection, _)) = &mut self.connection
            {
                if connection.poll_drive(cx).is_ready() {
                    // It has ended; what is left, an error too, comes through the body.
                    self.connection = None;
                }
                frame = Pin::new(&mut self.incoming).poll_frame(cx);
            }
            return match frame {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => {
                    self.give_back();
                    Poll::Ready(None)
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => Poll::Ready(Some(Ok(piece))),
                    // Trailers end at this hop.
                    Err(_) => continue,
                },
            };
        }
    }

    fn give_back(&mut self) {
        if let Some((connection, home)) = self.connection.take() {
            home.give_back(connection);
        }
    }
}

/// Pieces are copied together up to this size; a larger piece passes as it is.
const GATHER_MAX: usize = 8 * 1024;
