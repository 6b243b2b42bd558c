//! The part of a body beyond the buffer limit: streamed, and inspected on its way.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::body_reader::BodyReader;
use super::{BodyError, BodyLimits, Inspector, RefusedBodyError};

pub(super) struct Rest {
    pub(super) body: BodyReader,
    seen: u64,
    max: u64,
    inspector: Option<Box<dyn Inspector>>,
    pub(super) upload: Arc<Upload>,
    /// The last piece, kept back until the inspector accepts the body; empty if the body ended without one.
    last: Option<Bytes>,
}

/// How far a streamed body is, for the task that sends it.
#[derive(Debug, Default)]
pub struct Upload {
    fault: OnceLock<BodyError>,
    passed: AtomicU64,
    is_over: AtomicBool,
}

impl Upload {
    /// Why the body ended early, if it did. Not every HTTP version reports the error to the sender.
    #[must_use]
    pub fn fault(&self) -> Option<BodyError> {
        self.fault.get().cloned()
    }

    /// Bytes of the streamed part that were handed on; `None` once the body has ended.
    #[must_use]
    pub fn passed(&self) -> Option<u64> {
        (!self.is_over.load(Ordering::Relaxed)).then(|| self.passed.load(Ordering::Relaxed))
    }
}

impl Rest {
    /// The rest of `body`, of which `seen` bytes are already buffered.
    pub(super) fn new(body: BodyReader, seen: u64, limits: &BodyLimits, inspector: Option<Box<dyn Inspector>>) -> Self {
        Self { body, seen, max: limits.max, inspector, upload: Arc::default(), last: None }
    }

    /// The next bytes; after an error, the same error again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(error) = self.upload.fault() {
            return Poll::Ready(Some(Err(error)));
        }
        let piece = ready!(self.poll_piece(cx));
        match &piece {
            Some(Ok(piece)) => drop(self.upload.passed.fetch_add(piece.len() as u64, Ordering::Relaxed)),
            Some(Err(error)) => drop(self.upload.fault.get_or_init(|| error.clone())),
            None => {}
        }
        if !matches!(piece, Some(Ok(_))) || self.body.is_end() {
            self.upload.is_over.store(true, Ordering::Relaxed);
        }
        Poll::Ready(piece)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        while self.last.is_none() {
            let piece = match ready!(self.body.poll_piece(cx)) {
                None => Bytes::new(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(piece)) => {
                    if let Err(error) = self.check(&piece) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    if !self.body.is_end() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                    piece
                }
            };
            // With the last byte of an announced length the upstream has the whole body: the last moment to refuse it.
            self.last = Some(piece);
        }
        if let Err(refusal) = ready!(self.poll_approval(cx)) {
            return Poll::Ready(Some(Err(refusal.into())));
        }
        let last = self.last.take().filter(|last| !last.is_empty());
        Poll::Ready(last.map(Ok))
    }

    fn check(&mut self, piece: &Bytes) -> Result<(), BodyError> {
        self.seen += piece.len() as u64;
        if self.seen > self.max {
            return Err(BodyError::TooLarge(self.max));
        }
        self.inspector.as_mut().map_or(Ok(()), |inspector| inspector.piece(piece)).map_err(BodyError::from)
    }

    /// Asks the inspector for its verdict, once.
    fn poll_approval(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        let Some(inspector) = &mut self.inspector else { return Poll::Ready(Ok(())) };
        let verdict = ready!(inspector.poll_end(cx));
        self.inspector = None;
        Poll::Ready(verdict)
    }
}
