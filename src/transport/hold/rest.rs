//! The part of a body that is too long to hold: streamed, and watched on its way.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming, SizeHint};

use super::{HoldError, HoldLimits, Inspector};
use crate::transport::silence::Silence;

/// What is still to come of a body.
pub(super) struct Rest {
    body: Incoming,
    seen: u64,
    max: u64,
    inspector: Option<Box<dyn Inspector>>,
    silence: Duration,
    /// Runs while the client sends nothing.
    stalls: Option<Silence>,
    fault: Fault,
}

/// Why a streamed body ended early, for whoever has sent it: not every HTTP version hands the error back.
pub type Fault = Arc<OnceLock<HoldError>>;

impl Rest {
    /// The rest of `body`, of which `seen` bytes are held.
    pub(super) fn new(body: Incoming, seen: u64, limits: &HoldLimits, inspector: Option<Box<dyn Inspector>>) -> Self {
        let (max, silence) = (limits.max, limits.silence);
        Self { body, seen, max, inspector, silence, stalls: None, fault: Fault::default() }
    }

    /// Where the error will be found if there is one.
    pub(super) fn fault(&self) -> Fault {
        Arc::clone(&self.fault)
    }

    /// How much is to come, as far as was announced.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// The next bytes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HoldError>>> {
        let piece = ready!(self.poll_piece(cx));
        if let Some(Err(error)) = &piece {
            self.fault.get_or_init(|| error.clone());
        }
        Poll::Ready(piece)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HoldError>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                let limit = self.silence;
                let silence = self.stalls.get_or_insert_with(|| Silence::new(limit));
                return silence.poll(cx).map(|limit| Some(Err(HoldError::Stalled(limit))));
            };
            self.stalls = None;
            let Some(frame) = frame else {
                return Poll::Ready(self.inspect_end().err().map(Err));
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
        self.inspector.as_mut().map_or(Ok(()), |inspector| inspector.piece(piece))?;
        // With the last byte of an announced length the other side has all of it, so this is the time to say no.
        if self.body.is_end_stream() { self.inspect_end() } else { Ok(()) }
    }

    fn inspect_end(&mut self) -> Result<(), HoldError> {
        self.inspector.take().map_or(Ok(()), |mut inspector| inspector.end()).map_err(Into::into)
    }
}
