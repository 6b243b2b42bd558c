//! The body of an answer of the fake service, which may stay open or break.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::Frame;

use crate::client::fake_service::State;

/// Reports that the caller has left, when it is dropped before the answer is whole.
pub(super) struct Guard(pub Option<Arc<State>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            state.caller_left();
        }
    }
}

/// The body of an answer.
pub(crate) struct Body {
    pieces: std::collections::VecDeque<Bytes>,
    end: End,
    _guard: Guard,
}

#[derive(PartialEq)]
enum End {
    Whole,
    Open,
    /// Breaks, once the pieces before it are written.
    Cut,
    Cutting,
}

impl Body {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { pieces: [bytes].into(), end: End::Whole, _guard: Guard(None) }
    }

    pub(crate) fn stream(pieces: Vec<Bytes>, cut: bool, state: &Arc<State>) -> Self {
        let end = if cut { End::Cut } else { End::Open };
        Self { pieces: pieces.into(), end, _guard: Guard((!cut).then(|| Arc::clone(state))) }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match (self.pieces.pop_front(), &self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, End::Whole) => Poll::Ready(None),
            (None, End::Cut) => {
                self.end = End::Cutting;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (None, End::Cutting) => Poll::Ready(Some(Err(std::io::Error::other("cut")))),
            // Only the end of the connection wakes this.
            (None, End::Open) => Poll::Pending,
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self.end {
            End::Whole => hyper::body::SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum()),
            _ => hyper::body::SizeHint::default(),
        }
    }
}
