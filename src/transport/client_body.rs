//! The body of a client's request, as hyper reads it.
//!
//! hyper takes everything up to an empty line that ends with CRLF for the trailer section of a body in chunks, and then
//! reads fields up to the first empty line of any kind. Between the two a whole further request can be lost: its client
//! would take the answer to the next one for its own. What hyper drops is not shown, so a connection ends with the request
//! that had trailers, or whose end was not read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::connection_end::ConnectionEnd;

/// A request's body without its trailers, which end at this hop (RFC 9112 §7.1.2).
pub struct ClientBody {
    incoming: Incoming,
    /// The connection of a body in chunks, until the body has ended without trailers.
    connection: Option<Arc<ConnectionEnd>>,
}

/// Why a client's body ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientBodyError {
    /// The client went away or broke the framing.
    #[error("the client did not send its whole body")]
    Broken,
    /// The trailer section is not a list of fields.
    #[error("the trailer section of the body is malformed: each of its lines must be a field and end with CRLF")]
    Trailers,
}

impl ClientBody {
    /// The body of a request that came over the connection of `end`.
    pub(super) fn new(incoming: Incoming, end: &Arc<ConnectionEnd>) -> Self {
        let is_chunked = incoming.size_hint().exact().is_none();
        Self { incoming, connection: is_chunked.then(|| Arc::clone(end)) }
    }

    fn end_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.approach();
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = ClientBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientBodyError>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
            None => {
                self.connection = None;
                None
            }
            Some(Ok(frame)) if frame.is_data() => Some(Ok(frame)),
            Some(Ok(trailers)) => {
                self.end_connection();
                // hyper found bytes, and no field in front of the first empty line.
                let is_malformed = trailers.trailers_ref().is_some_and(HeaderMap::is_empty);
                is_malformed.then_some(Err(ClientBodyError::Trailers))
            }
            Some(Err(_)) => {
                self.end_connection();
                Some(Err(ClientBodyError::Broken))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        self.end_connection();
    }
}
