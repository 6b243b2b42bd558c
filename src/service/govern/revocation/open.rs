//! The open requests of a worker, so that revocations can end them.

use std::sync::{Arc, Mutex, MutexGuard};

use slab::Slab;

use crate::lock::lock;
use crate::service::token::verify::Caller;
use crate::transport::revoke_signal::RevokeSignal;
use crate::wire::Claims;

/// Only the worker adds and removes its requests; other threads look at them when a revocation comes.
#[derive(Clone, Default)]
pub struct OpenRequests(Arc<Mutex<Slab<Entry>>>);

struct Entry {
    /// The caller as its token describes it, and with its device's overrides; mostly the same.
    callers: [Arc<Caller>; 2],
    signal: RevokeSignal,
}

/// One open request. Dropping it closes it.
#[must_use = "the request counts as closed when this is dropped"]
pub struct OpenRequest {
    requests: OpenRequests,
    key: usize,
    /// Raised when the caller is revoked.
    pub signal: RevokeSignal,
}

impl OpenRequests {
    /// `signed` is the caller as its token describes it, `ruled` the caller with its device's overrides.
    pub fn open(&self, signed: Arc<Caller>, ruled: Arc<Caller>) -> OpenRequest {
        let signal = RevokeSignal::default();
        let key = self.lock().insert(Entry { callers: [signed, ruled], signal: signal.clone() });
        OpenRequest { requests: self.clone(), key, signal }
    }

    /// Ends every request whose caller's claims are `covered`.
    pub(super) fn end(&self, covered: impl Fn(&Claims) -> bool) {
        for (_, entry) in self.lock().iter() {
            if entry.callers.iter().any(|caller| covered(caller.claims())) {
                entry.signal.raise();
            }
        }
    }

    /// Applies `ruled` to each open request's caller, as its token describes it.
    pub(super) fn describe(&self, ruled: impl Fn(&Arc<Caller>) -> Arc<Caller>) {
        for (_, entry) in self.lock().iter_mut() {
            entry.callers[1] = ruled(&entry.callers[0]);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Entry>> {
        lock(&self.0)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.requests.lock().remove(self.key);
    }
}
