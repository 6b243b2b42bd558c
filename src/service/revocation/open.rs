//! The requests that a worker has open, so that they can be recalled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

use crate::service::auth::Caller;
use crate::transport::recall::Recall;
use crate::wire::Claims;

/// The open requests of one worker. Only that worker adds and removes; others look when a revocation comes.
#[derive(Clone, Default)]
pub struct OpenRequests(Arc<Mutex<Slab<Entry>>>);

struct Entry {
    caller: Arc<Caller>,
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
    /// Opens a request of `caller`.
    #[must_use]
    pub fn open(&self, caller: &Arc<Caller>) -> OpenRequest {
        let recall = Recall::default();
        let key = self.lock().insert(Entry { caller: Arc::clone(caller), recall: recall.clone() });
        OpenRequest { requests: self.clone(), key, recall }
    }

    /// Recalls every request whose caller's claims are `covered`.
    pub(super) fn recall(&self, covered: impl Fn(&Claims) -> bool) {
        for (_, entry) in self.lock().iter() {
            if covered(entry.caller.claims()) {
                entry.recall.recall();
            }
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
