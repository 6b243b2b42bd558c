//! Reads a request's body: buffered in memory up to a limit, streamed beyond it. Both proxies use it before they send.
//!
//! An [`Inspector`] sees a buffered body before any of it is sent, and a buffered body can be sent again. Frames are
//! kept as they arrive; only small ones are copied together. The last piece of a body, also of a streamed one, goes up
//! when the inspector has accepted the whole.

mod body_limits;
mod body_reader;
mod inspector;
mod memory_budget;
mod rest;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};

pub use self::body_limits::{BodyError, BodyLimits};
use self::body_reader::{BodyReader, SMALL};
pub use self::inspector::{Inspector, RefusedBodyError};
pub use self::memory_budget::MemoryBudget;
use self::memory_budget::MemoryShare;
use self::rest::Rest;
pub use self::rest::Upload;
use super::client_body::ClientBody;

/// A request's body, ready to be sent on: its buffered pieces, and the part that is still streamed.
#[derive(Default)]
pub struct BufferedBody {
    pieces: Pieces,
    /// Boxed, because few bodies have one, and every request moves its body about.
    rest: Option<Box<Rest>>,
    share: Option<Arc<MemoryShare>>,
}

#[derive(Default, Clone)]
struct Pieces {
    queue: VecDeque<Bytes>,
    length: u64,
}

impl BufferedBody {
    /// Reads `body` up to the limits. `inspector` sees every piece before it is sent on, the streamed ones too; `facts`
    /// is asked once, when the inspector has seen all buffered pieces. A body whose declared length exceeds the maximum
    /// is refused before any of it is read.
    #[expect(clippy::manual_async_fn, reason = "an async function would keep its parameters twice in the future")]
    pub fn take<I: Inspector + 'static, F>(
        body: ClientBody,
        limits: &BodyLimits,
        mut inspector: I,
        facts: impl FnOnce(&I) -> F,
    ) -> impl Future<Output = Result<(Self, F), BodyError>> {
        async move {
            let mut pieces = Pieces::default();
            if body.is_end_stream() {
                pieces.approve(&mut inspector).await?;
                return Ok((Self::default(), facts(&inspector)));
            }
            if body.size_hint().lower() > limits.max {
                return Err(BodyError::TooLarge(limits.max));
            }
            let mut share = limits.budget.share();
            let mut body = BodyReader::new(body, limits.idle_timeout);
            while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await.transpose()? {
                pieces.push(&piece, limits.max, &mut inspector)?;
                let within_budget = share.grow(piece.len());
                if body.is_end() {
                    break;
                }
                if !within_budget || pieces.length > limits.buffer_limit as u64 {
                    inspector.held(&pieces.queue, false)?;
                    let facts = facts(&inspector);
                    let rest = Rest::new(body, pieces.length, limits, Some(Box::new(inspector)));
                    return Ok((Self { pieces, rest: Some(Box::new(rest)), share: Some(Arc::new(share)) }, facts));
                }
            }
            pieces.approve(&mut inspector).await?;
            Ok((Self { pieces, rest: None, share: Some(Arc::new(share)) }, facts(&inspector)))
        }
    }

    /// A body of our own.
    #[must_use]
    pub fn whole(body: &[u8]) -> Self {
        let pieces = Pieces { queue: VecDeque::from([Bytes::copy_from_slice(body)]), length: body.len() as u64 };
        Self { pieces, rest: None, share: None }
    }

    /// A copy that can be sent once more; `None` unless the whole body is buffered.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let whole = self.rest.is_none();
        whole.then(|| Self { pieces: self.pieces.clone(), rest: None, share: self.share.clone() })
    }

    /// Whether no byte is buffered at the moment; more may come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.pieces.queue.is_empty()
    }

    /// The buffered pieces, in order.
    pub fn here(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.queue.iter()
    }

    /// Drops the first `count` buffered bytes, which were sent.
    ///
    /// # Panics
    /// When fewer are buffered.
    pub fn advance(&mut self, mut count: usize) {
        self.pieces.length -= count as u64;
        while count > 0 {
            let first = &mut self.pieces.queue[0];
            if first.len() > count {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.pieces.queue.pop_front();
        }
    }

    /// Waits until bytes are buffered and returns how many; 0 at the body's end.
    pub fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64, BodyError>> {
        while self.pieces.queue.is_empty() {
            let Some(rest) = &mut self.rest else { break };
            match ready!(rest.poll(cx)) {
                None => self.rest = None,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.pieces.length += piece.len() as u64;
                    self.pieces.queue.push_back(piece);
                }
            }
        }
        Poll::Ready(Ok(self.pieces.length))
    }

    /// The progress of the streamed part; `None` when the whole body is buffered.
    #[must_use]
    pub fn upload(&self) -> Option<Arc<Upload>> {
        self.rest.as_ref().map(|rest| Arc::clone(&rest.upload))
    }
}

impl Pieces {
    fn push(&mut self, piece: &Bytes, max: u64, inspector: &mut impl Inspector) -> Result<(), BodyError> {
        self.length += piece.len() as u64;
        if self.length > max {
            return Err(BodyError::TooLarge(max));
        }
        inspector.piece(piece)?;
        self.append(piece);
        Ok(())
    }

    /// Shows the whole body to the inspector and waits for its verdict.
    async fn approve(&self, inspector: &mut impl Inspector) -> Result<(), RefusedBodyError> {
        inspector.held(&self.queue, true)?;
        poll_fn(|cx| inspector.poll_end(cx)).await
    }

    /// Joins small pieces: a body that comes slowly, byte by byte, must not cost a handle and a write for each byte.
    fn append(&mut self, piece: &Bytes) {
        let joins = self.queue.back().is_some_and(|last| last.len() + piece.len() <= SMALL);
        let last = if joins { self.queue.pop_back() } else { None };
        self.queue.push_back(match last.map(Bytes::try_into_mut) {
            None => piece.clone(),
            Some(Ok(mut last)) => {
                last.extend_from_slice(piece);
                last.freeze()
            }
            Some(Err(last)) => {
                let mut joined = BytesMut::with_capacity(SMALL);
                joined.extend_from_slice(&last);
                joined.extend_from_slice(piece);
                joined.freeze()
            }
        });
    }
}

impl Body for BufferedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.pieces.queue.pop_front() {
            self.pieces.length -= piece.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        rest.poll(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.queue.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let Some(rest) = &self.rest else { return SizeHint::with_exact(self.pieces.length) };
        let rest = rest.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(self.pieces.length + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(self.pieces.length + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests;
