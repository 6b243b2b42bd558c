//! A lease: one open request, as all instances see it.
//!
//! A lease expires by itself when its instance dies. While it is held the Redis task prolongs it, and when it is
//! dropped the Redis task ends it; the request waits for neither.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::wire::DeviceId;

/// The messages to the Redis task. There are as many as there were requests since its last look, and it looks at least
/// once a second.
pub(super) enum RedisUpdate {
    /// The instance holds a lease of a device.
    Hold(Arc<str>, Arc<str>),
    /// The instance no longer holds a lease of a device.
    Release(Arc<str>, Arc<str>),
    /// A device has used tokens.
    Charge(Arc<str>, u64),
    /// A request of a device is taken back.
    TakeBack(Arc<str>, WindowSlot),
    /// The data that Redis holds for a device make no sense.
    Discard(Arc<str>),
    /// Other instances are to hear a note about a device.
    Tell(DeviceId, String),
}

/// The slot of a window in which Redis counts a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WindowSlot {
    /// The length of the window.
    pub window: Duration,
    /// The number of the slot in it.
    pub slot: u64,
}

/// How Redis counts a request that it has admitted. The default is for a request that Redis does not count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RedisCount {
    /// `None` if no limit of requests applies.
    pub place: Option<WindowSlot>,
    /// The requests of all instances in the window, this one included; 0 if no limit of requests applies.
    pub requests: u64,
    /// The tokens of all instances in the last minute; 0 if no limit of tokens applies.
    pub tokens: u64,
}

pub(super) struct Lease {
    device: Arc<str>,
    name: Arc<str>,
    updates: UnboundedSender<RedisUpdate>,
    is_wanted: bool,
}

impl Lease {
    /// Redis may or may not know the lease.
    pub(super) fn new(device: Arc<str>, name: Arc<str>, updates: UnboundedSender<RedisUpdate>) -> Self {
        Self { device, name, updates, is_wanted: true }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Has the Redis task prolong the lease until it is dropped.
    pub(super) fn hold(&self) {
        // When the Redis task has ended, nothing is left to be done.
        let _ = self.updates.send(RedisUpdate::Hold(Arc::clone(&self.device), Arc::clone(&self.name)));
    }

    /// Drops a lease that Redis does not know.
    pub(super) fn forget(mut self) {
        self.is_wanted = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_wanted {
            let _ = self.updates.send(RedisUpdate::Release(Arc::clone(&self.device), Arc::clone(&self.name)));
        }
    }
}
