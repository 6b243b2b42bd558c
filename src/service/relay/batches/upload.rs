//! Reads an upload as it passes: whether its device is revoked, which models a batch asks for, and what it refers to.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::models::BatchModels;
use crate::service::govern::revocation::revoked;
use crate::service::relay::ownership_check::OwnershipCheck;
use crate::transport::buffered_body::{Inspector, RefusedBodyError};
use crate::transport::problem::Problem;
use crate::transport::revoke_signal::RevokeSignal;

pub(super) struct UploadReader {
    signal: RevokeSignal,
    /// `None` for a file, and for a token for all models.
    models: Option<BatchModels>,
    /// `None` for a file, whose content is not read.
    ownership: Option<OwnershipCheck>,
}

impl UploadReader {
    pub(super) fn of_file(signal: RevokeSignal) -> Self {
        Self { signal, models: None, ownership: None }
    }

    pub(super) fn of_batch(signal: RevokeSignal, models: Option<BatchModels>, ownership: OwnershipCheck) -> Self {
        Self { signal, models, ownership: Some(ownership) }
    }

    /// Breaks off an upload whose device is revoked. Then it is certain that nothing was created.
    fn check(&self) -> Result<(), RefusedBodyError> {
        if !self.signal.is_raised() {
            return Ok(());
        }
        let Problem { code, message, .. } = revoked();
        Err(RefusedBodyError { code, message })
    }
}

impl Inspector for UploadReader {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        self.check()?;
        self.models.piece(bytes)?;
        self.ownership.piece(bytes)
    }

    fn held(&mut self, pieces: &VecDeque<Bytes>, whole: bool) -> Result<(), RefusedBodyError> {
        self.ownership.held(pieces, whole)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        self.check()?;
        ready!(self.models.poll_end(cx))?;
        self.ownership.poll_end(cx)
    }
}
