//! A lease: one open request, as all instances see it.
//!
//! It runs out by itself when its instance dies. While it is held the courier makes it live on, and when it is dropped
//! the courier ends it; neither costs the request a wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::wire::DeviceId;

/// What the courier is told. There is as much of it as there are requests since its last look, and it looks at least
/// once a second.
pub(super) enum Errand {
    /// This lease of a device is held.
    Hold(Arc<str>, Arc<str>),
    /// It is no longer held.
    Release(Arc<str>, Arc<str>),
    /// A device has used tokens.
    Charge(Arc<str>, u64),
    /// A request of a device was none after all.
    TakeBack(Arc<str>, Place),
    /// What Redis holds for a device makes no sense.
    Discard(Arc<str>),
    /// Other instances are to hear something about a device.
    Tell(DeviceId, String),
}

/// Where Redis counts a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The length of the window.
    pub window: Duration,
    /// Which part of it.
    pub slot: u64,
}

/// Ends when dropped.
pub(super) struct Lease {
    device: Arc<str>,
    name: Arc<str>,
    errands: UnboundedSender<Errand>,
    is_wanted: bool,
}

impl Lease {
    /// A lease that Redis may or may not know.
    pub(super) fn new(device: Arc<str>, name: Arc<str>, errands: UnboundedSender<Errand>) -> Self {
        Self { device, name, errands, is_wanted: true }
    }

    /// How Redis knows it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// From now on it lives until it is dropped.
    pub(super) fn hold(&self) {
        // When the courier has ended, nothing is left to be done.
        let _ = self.errands.send(Errand::Hold(Arc::clone(&self.device), Arc::clone(&self.name)));
    }

    /// Redis does not know it.
    pub(super) fn forget(mut self) {
        self.is_wanted = false;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_wanted {
            let _ = self.errands.send(Errand::Release(Arc::clone(&self.device), Arc::clone(&self.name)));
        }
    }
}
