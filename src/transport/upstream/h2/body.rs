//! The body of a response over HTTP/2.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming, SizeHint};

use super::progress::OpenStream;
use crate::transport::buffered_body::Upload;
use crate::transport::upstream::read_error::UpstreamReadError;

/// Counts a stream as open until it is dropped: for the pool, which asks for room, and for the watch on the connection.
type StreamCount = (Arc<()>, Arc<OpenStream>);

/// Frames as they come; small ones that are ready together come as one, so that they leave in one write.
pub(in crate::transport::upstream) struct H2Body {
    incoming: Incoming,
    /// Tells whether the request's own body ended the stream.
    upload: Option<Arc<Upload>>,
    _stream: StreamCount,
    /// Read ahead: a piece that did not fit into the one before, an error, or the end.
    next: Option<Next>,
}

type Next = Option<Result<Bytes, UpstreamReadError>>;

impl H2Body {
    /// A body whose stream counts as open until the body is dropped.
    pub(super) fn new(incoming: Incoming, upload: Option<Arc<Upload>>, stream: StreamCount) -> Self {
        Self { incoming, upload, _stream: stream, next: None }
    }

    pub(in crate::transport::upstream) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, UpstreamReadError>>> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(next);
        }
        match self.poll_piece(cx) {
            Poll::Ready(Some(Ok(first))) => Poll::Ready(Some(Ok(self.gather(cx, first)))),
            other => other,
        }
    }

    pub(in crate::transport::upstream) fn is_end(&self) -> bool {
        match &self.next {
            None => self.incoming.is_end_stream(),
            Some(next) => next.is_none(),
        }
    }

    pub(in crate::transport::upstream) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// Appends further pieces that are ready, up to the limit.
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

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamReadError>>> {
        loop {
            return match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Pending => Poll::Pending,
                // Also after a reset without an error (RFC 9113 §8.1), which hyper reports as a plain end.
                Poll::Ready(None) if !self.incoming.is_end_stream() => {
                    Poll::Ready(Some(Err(UpstreamReadError::Closed)))
                }
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(self.cut(error)))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(piece) => Poll::Ready(Some(Ok(piece))),
                    // Trailers end at this hop (RFC 9113 §8.1).
                    Err(_) => continue,
                },
            };
        }
    }

    fn cut(&self, error: hyper::Error) -> UpstreamReadError {
        let by_request = self.upload.as_ref().is_some_and(|upload| upload.fault().is_some());
        if by_request { UpstreamReadError::Request } else { UpstreamReadError::Http2(error) }
    }
}

/// Pieces are copied together up to this many bytes; a larger piece passes as it is.
const GATHER_MAX: usize = 8 * 1024;
