//! The requests that a worker has open, so that they can be recalled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

use crate::service::token::verify::Caller;
use crate::transport::recall::Recall;
use crate::wire::Claims;

/// The open requests of one worker. Only that worker adds and removes; others look when a revocation comes.
#[derive(Clone, Default)]
pub struct OpenRequests(Arc<Mutex<Slab<Entry>>>);

struct Entry {
    /// As its token says, and as a rule describes it; mostly the same.
    callers: [Arc<Caller>; 2],
    recall: Recall,
}

/// One open request; dropped, it is closed.
pub struct OpenRequest {
    requests: OpenRequests,
    key: usize,
    /// Raised when its caller is revoked.
    pub recall: Recall,
}

impl OpenRequests {
    /// Opens a request of a caller, `signed` as its token says and `ruled` as an administrator describes it.
    #[must_use]
    pub fn open(&self, signed: Arc<Caller>, ruled: Arc<Caller>) -> OpenRequest {
        let recall = Recall::default();
        let key = self.lock().insert(Entry { callers: [signed, ruled], recall: recall.clone() });
        OpenRequest { requests: self.clone(), key, recall }
    }

    /// Recalls every request whose caller's claims are `covered`.
    pub(super) fn recall(&self, covered: impl Fn(&Claims) -> bool) {
        for (_, entry) in self.lock().iter() {
            if entry.callers.iter().any(|caller| covered(caller.claims())) {
                entry.recall.recall();
            }
        }
    }

    /// Takes over how each open request's caller is described now, by the one its token describes.
    pub(super) fn describe(&self, ruled: impl Fn(&Arc<Caller>) -> Arc<Caller>) {
        for (_, entry) in self.lock().iter_mut() {
            entry.callers[1] = ruled(&entry.callers[0]);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.requests.lock().remove(self.key);
    }
}
