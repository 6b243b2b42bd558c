//! Takes a request's body off the wire: held in memory up to a limit, streamed beyond it.
//!
//! Held bodies can be looked at before anything is sent, and sent again. Frames are kept as they arrived; nothing is
//! copied.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::wire::ErrorCode;

/// How much of a body is taken, and how long for.
#[derive(Debug, Clone)]
pub struct HoldLimits {
    /// Bytes of one body that are held; what is longer is streamed.
    pub keep: usize,
    /// Bytes a body may have at all.
    pub max: u64,
    /// The longest silence between two pieces while holding.
    pub silence: Duration,
    /// Bytes held over all requests.
    pub budget: Budget,
}

/// Memory shared by all held bodies; when it is used up, bodies are streamed.
#[derive(Debug, Clone)]
pub struct Budget {
    used: Arc<AtomicUsize>,
    total: usize,
}

impl Budget {
    /// A budget of `total` bytes.
    #[must_use]
    pub fn new(total: usize) -> Self {
        Self { used: Arc::default(), total }
    }

    fn share(&self) -> Share {
        Share { budget: self.clone(), taken: 0 }
    }
}

/// What one body has taken of the budget; given back when it is dropped.
#[derive(Debug)]
struct Share {
    budget: Budget,
    taken: usize,
}

impl Share {
    fn grow(&mut self, by: usize) -> bool {
        let before = self.budget.used.fetch_add(by, Ordering::Relaxed);
        self.taken += by;
        before + by <= self.budget.total
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// Looks at a body as it passes and may refuse it.
pub trait Inspector: Send {
    /// The next piece.
    ///
    /// # Errors
    /// [`Refusal`] as soon as the body is known to be unacceptable.
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Refusal>;

    /// The body is complete.
    ///
    /// # Errors
    /// [`Refusal`] when what should be in it never came.
    fn end(&mut self) -> Result<(), Refusal>;
}

/// Why an [`Inspector`] refuses a body, in the words the client gets.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Which error.
    pub code: ErrorCode,
    /// One sentence.
    pub message: String,
}

/// Why a body cannot be sent on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HoldError {
    /// Longer than allowed.
    #[error("the body exceeds {0} bytes")]
    TooLarge(u64),
    /// Nothing came for too long.
    #[error("the body stalled for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The client went away, or broke the framing.
    #[error("the client did not send its whole body")]
    Broken,
    /// An inspector said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A request's body, ready to be sent on.
#[derive(Default)]
pub struct Held {
    pieces: Pieces,
    rest: Option<Rest>,
    share: Option<Arc<Share>>,
}

#[derive(Default, Clone)]
struct Pieces {
    queue: VecDeque<Bytes>,
    length: u64,
}

/// The part that was too long to hold.
struct Rest {
    /// Always there until it is dropped.
    body: Option<Incoming>,
    seen: u64,
    max: u64,
    inspector: Option<Box<dyn Inspector>>,
}

/// Reads on, for a while, what nobody wants any more, so that an early answer arrives: a connection that is closed with bytes
/// unread is reset, and the reset overtakes the answer (RFC 9112 §9.6). The task ends with the connection.
pub fn discard(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    let read = async move {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DISCARD_MAX {
                return;
            }
        }
    };
    tokio::spawn(async {
        // What is longer than that is cut off after all.
        let _ = tokio::time::timeout(DISCARD_TIME, read).await;
    });
}

impl Held {
    /// Takes `body` in, up to the limits. An inspector sees every piece before it is sent on, also of the part that
    /// is streamed.
    ///
    /// # Errors
    /// [`HoldError`]; a body whose declared length exceeds the maximum is refused before any of it is read.
    pub async fn take(
        mut body: Incoming,
        limits: &HoldLimits,
        mut inspector: Option<Box<dyn Inspector>>,
    ) -> Result<Self, HoldError> {
        if body.is_end_stream() {
            inspector.as_mut().map_or(Ok(()), |inspector| inspector.end())?;
            return Ok(Self::default());
        }
        if body.size_hint().lower() > limits.max {
            return Err(HoldError::TooLarge(limits.max));
        }
        let mut pieces = Pieces::default();
        let mut share = limits.budget.share();
        loop {
            let Some(piece) = next_piece(&mut body, limits.silence).await? else {
                inspector.as_mut().map_or(Ok(()), |inspector| inspector.end())?;
                return Ok(Self { pieces, rest: None, share: Some(Arc::new(share)) });
            };
            pieces.push(&piece, limits.max, inspector.as_deref_mut())?;
            let within_budget = share.grow(piece.len());
            if !within_budget || pieces.length > limits.keep as u64 {
                let rest = Rest { body: Some(body), seen: pieces.length, max: limits.max, inspector };
                return Ok(Self { pieces, rest: Some(rest), share: Some(Arc::new(share)) });
            }
        }
    }

    /// The same body once more, if all of it is held.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let whole = self.rest.is_none();
        whole.then(|| Self { pieces: self.pieces.clone(), rest: None, share: self.share.clone() })
    }
}

impl Pieces {
    fn push(
        &mut self,
        piece: &Bytes,
        max: u64,
        inspector: Option<&mut (dyn Inspector + 'static)>,
    ) -> Result<(), HoldError> {
        self.length += piece.len() as u64;
        if self.length > max {
            return Err(HoldError::TooLarge(max));
        }
        if let Some(inspector) = inspector {
            inspector.piece(piece)?;
        }
        self.queue.push_back(piece.clone());
        Ok(())
    }
}

async fn next_piece(body: &mut Incoming, silence: Duration) -> Result<Option<Bytes>, HoldError> {
    loop {
        let frame = tokio::time::timeout(silence, body.frame()).await.map_err(|_| HoldError::Stalled(silence))?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(HoldError::Broken),
            // Trailers end at this hop.
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

impl Rest {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HoldError>>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let Some(frame) = ready!(Pin::new(body).poll_frame(cx)) else {
                let end = self.inspector.take().map_or(Ok(()), |mut inspector| inspector.end());
                return Poll::Ready(end.err().map(|refusal| Err(refusal.into())));
            };
            let Ok(frame) = frame else { return Poll::Ready(Some(Err(HoldError::Broken))) };
            if let Ok(piece) = frame.into_data() {
                return Poll::Ready(Some(self.check(&piece).map(|()| piece)));
            }
        }
    }

    fn check(&mut self, piece: &Bytes) -> Result<(), HoldError> {
        self.seen += piece.len() as u64;
        if self.seen > self.max {
            return Err(HoldError::TooLarge(self.max));
        }
        self.inspector.as_mut().map_or(Ok(()), |inspector| inspector.piece(piece)).map_err(Into::into)
    }
}

impl Drop for Rest {
    /// The answer came before the end of the request.
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            discard(body);
        }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = HoldError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HoldError>>> {
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
        let rest = rest.body.as_ref().map(Incoming::size_hint).unwrap_or_default();
        let mut hint = SizeHint::new();
        hint.set_lower(self.pieces.length + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(self.pieces.length + upper);
        }
        hint
    }
}

/// What is read of an unwanted body at most: twice what the API takes.
const DISCARD_MAX: usize = 64 << 20;
const DISCARD_TIME: Duration = Duration::from_secs(10);
