//! The body of a request on its way over HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::progress::Held;
use crate::transport::buffered_body::{BodyError, BufferedBody};

/// A body that notes who it waits for. hyper asks for one piece ahead, and for the next one when the upstream's windows
/// have opened for that: a body that has given a piece waits for the upstream, and one that has none for the client.
pub(super) struct SentBody {
    body: BufferedBody,
    held: Held,
}

impl SentBody {
    pub(super) fn new(body: BufferedBody, held: Held) -> Self {
        Self { body, held }
    }

    pub(super) fn into_inner(self) -> BufferedBody {
        self.body
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.held.set(polled.is_ready());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
