//! How the connection of a client has to end.

use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by a connection, its stream and the bodies that come over it. All of them belong to one task.
#[derive(Debug, Default)]
pub(super) struct ConnectionEnd {
    is_near: AtomicBool,
    was_refused: AtomicBool,
}

impl ConnectionEnd {
    /// Lets the answer to the current request be the last one.
    pub(super) fn approach(&self) {
        self.is_near.store(true, Ordering::Relaxed);
    }

    /// Whether no further request may be served.
    pub(super) fn is_near(&self) -> bool {
        self.is_near.load(Ordering::Relaxed)
    }

    /// Notes whether the last request had a body and was refused.
    pub(super) fn set_refused(&self, was_refused: bool) {
        self.was_refused.store(was_refused, Ordering::Relaxed);
    }

    /// Whether the client may still be sending when the connection is closed.
    pub(super) fn lingers(&self) -> bool {
        self.was_refused.load(Ordering::Relaxed) || self.is_near()
    }
}
