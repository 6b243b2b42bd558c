//! The part of a body that is too long to hold: streamed, and watched on its way.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming, SizeHint};

use super::{HoldError, HoldLimits, Inspector, Refusal};
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
    upload: Arc<Upload>,
    /// The last piece, kept back until the inspector has had the last word; empty when there was nothing left to keep.
    last: Option<Bytes>,
}

/// How far a streamed body is, for whoever has sent it.
#[derive(Debug, Default)]
pub struct Upload {
    fault: OnceLock<HoldError>,
    passed: AtomicU64,
    is_over: AtomicBool,
}

impl Upload {
    /// Why the body ended early, if it did: not every HTTP version hands the error back.
    #[must_use]
    pub fn fault(&self) -> Option<HoldError> {
        self.fault.get().cloned()
    }

    /// How many bytes of it have passed; `None` when no more are to come.
    #[must_use]
    pub fn passed(&self) -> Option<u64> {
        (!self.is_over.load(Ordering::Relaxed)).then(|| self.passed.load(Ordering::Relaxed))
    }
}

impl Rest {
    /// The rest of `body`, of which `seen` bytes are held.
    pub(super) fn new(body: Incoming, seen: u64, limits: &HoldLimits, inspector: Option<Box<dyn Inspector>>) -> Self {
        let (max, silence) = (limits.max, limits.silence);
        Self { body, seen, max, inspector, silence, stalls: None, upload: Arc::default(), last: None }
    }

    /// Where others see how far it is.
    pub(super) fn upload(&self) -> Arc<Upload> {
        Arc::clone(&self.upload)
    }

    /// How much is to come, as far as was announced.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// The next bytes. After an error there are none.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HoldError>>> {
        if let Some(error) = self.upload.fault() {
            return Poll::Ready(Some(Err(error)));
        }
        let piece = ready!(self.poll_piece(cx));
        match &piece {
            Some(Ok(piece)) => drop(self.upload.passed.fetch_add(piece.len() as u64, Ordering::Relaxed)),
            Some(Err(error)) => drop(self.upload.fault.get_or_init(|| error.clone())),
            None => {}
        }
        if !matches!(piece, Some(Ok(_))) || self.body.is_end_stream() {
            self.upload.is_over.store(true, Ordering::Relaxed);
        }
        Poll::Ready(piece)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HoldError>>> {
        while self.last.is_none() {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                let limit = self.silence;
                let silence = self.stalls.get_or_insert_with(|| Silence::new(limit));
                return silence.poll(cx).map(|limit| Some(Err(HoldError::Stalled(limit))));
            };
            self.stalls = None;
            let piece = match frame {
                None => Bytes::new(),
                Some(Err(_)) => return Poll::Ready(Some(Err(HoldError::Broken))),
                Some(Ok(frame)) => {
                    let Ok(piece) = frame.into_data() else { continue };
                    if let Err(error) = self.check(&piece) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    if !self.body.is_end_stream() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                    piece
                }
            };
            // With the last byte of an announced length the other side has all of it, so this is the time to say no.
            self.last = Some(piece);
        }
        if let Err(refusal) = ready!(self.poll_approval(cx)) {
            return Poll::Ready(Some(Err(refusal.into())));
        }
        let last = self.last.take().filter(|last| !last.is_empty());
        Poll::Ready(last.map(Ok))
    }

    fn check(&mut self, piece: &Bytes) -> Result<(), HoldError> {
        self.seen += piece.len() as u64;
        if self.seen > self.max {
            return Err(HoldError::TooLarge(self.max));
        }
        self.inspector.as_mut().map_or(Ok(()), |inspector| inspector.piece(piece)).map_err(HoldError::from)
    }

    /// Asks the inspector once; what it has approved goes on.
    fn poll_approval(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        let Some(inspector) = &mut self.inspector else { return Poll::Ready(Ok(())) };
        let verdict = ready!(inspector.poll_end(cx));
        self.inspector = None;
        Poll::Ready(verdict)
    }
}
