//! Reads an upload as it passes: whether its device is revoked, which models and features a batch asks for, what it refers
//! to, and whether it says who pays.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::request_check::RequestCheck;
use crate::service::govern::revocation::revoked;
use crate::service::relay::ownership_check::OwnershipCheck;
use crate::service::relay::payer_check::PayerCheck;
use crate::transport::buffered_body::{Inspector, RefusedBodyError};
use crate::transport::problem::Problem;
use crate::transport::revoke_signal::RevokeSignal;

pub(super) struct UploadReader {
    signal: RevokeSignal,
    /// `None` for a file, and for a device that may use all models and features.
    requests: Option<RequestCheck>,
    /// `None` for a file, whose content is not read.
    names: Option<(OwnershipCheck, PayerCheck)>,
}

impl UploadReader {
    pub(super) fn of_file(signal: RevokeSignal) -> Self {
        Self { signal, requests: None, names: None }
    }

    pub(super) fn of_batch(signal: RevokeSignal, requests: Option<RequestCheck>, ownership: OwnershipCheck) -> Self {
        Self { signal, requests, names: Some((ownership, PayerCheck::of_batch())) }
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
        self.requests.piece(bytes)?;
        let Some((ownership, payer)) = &mut self.names else { return Ok(()) };
        ownership.piece(bytes)?;
        payer.piece(bytes, ownership.may_name_payer())
    }

    fn held(&mut self, pieces: &VecDeque<Bytes>, whole: bool) -> Result<(), RefusedBodyError> {
        let Some((ownership, payer)) = &mut self.names else { return Ok(()) };
        ownership.held(pieces, whole)?;
        payer.held(pieces, whole, ownership.may_name_payer())
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        self.check()?;
        ready!(self.requests.poll_end(cx))?;
        self.names.as_mut().map_or(Poll::Ready(Ok(())), |(ownership, _)| ownership.poll_end(cx))
    }
}
