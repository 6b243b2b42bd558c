//! Inspectors of a body: they see every piece before it is sent, and may refuse the body.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::wire::ErrorCode;

/// Sees every piece of a body before it is sent, and may refuse the body.
pub trait Inspector: Send {
    /// Sees the next piece, and refuses the body as soon as it is known to be unacceptable.
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError>;

    /// Sees all buffered pieces, once, before any of them is sent. If they are not the `whole` body, the rest follows
    /// through [`piece`](Self::piece).
    fn held(&mut self, _pieces: &VecDeque<Bytes>, _whole: bool) -> Result<(), RefusedBodyError> {
        Ok(())
    }

    /// Polled when the body is complete, until it is ready; only then the last piece is sent. Refuses a body that lacks
    /// something required, or whose content turns out to be unacceptable.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>>;
}

/// No inspector: every body is accepted.
impl Inspector for () {
    fn piece(&mut self, _: &[u8]) -> Result<(), RefusedBodyError> {
        Ok(())
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        Poll::Ready(Ok(()))
    }
}

/// Without an inspector, every body is accepted.
impl<I: Inspector> Inspector for Option<I> {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        self.as_mut().map_or(Ok(()), |inspector| inspector.piece(bytes))
    }

    fn held(&mut self, pieces: &VecDeque<Bytes>, whole: bool) -> Result<(), RefusedBodyError> {
        self.as_mut().map_or(Ok(()), |inspector| inspector.held(pieces, whole))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        self.as_mut().map_or(Poll::Ready(Ok(())), |inspector| inspector.poll_end(cx))
    }
}

/// Why an [`Inspector`] refuses a body, as the client is told.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RefusedBodyError {
    /// The code of the answer to the client.
    pub code: ErrorCode,
    /// One sentence for a person.
    pub message: String,
}
