//! What instances tell each other beside limits: short notes about devices, brought to Redis by the courier.
//!
//! Nobody waits for a note, and nobody may depend on one: while Redis is away they are lost, and each instance goes by what
//! it sees itself.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::UnboundedSender;

use super::lease::Errand;
use crate::wire::DeviceId;

/// The way to the other instances. Clones are the same way.
#[derive(Clone)]
pub struct Exchange {
    errands: UnboundedSender<Errand>,
    ear: Ear,
}

/// Who hears what others tell.
pub(super) type Ear = Arc<OnceLock<Box<dyn Fn(&DeviceId, &str) + Send + Sync>>>;

impl Exchange {
    pub(super) fn new(errands: UnboundedSender<Errand>, ear: Ear) -> Self {
        Self { errands, ear }
    }

    /// Tells others about a device, within about half a second. Whoever tells of a device also hears what others have
    /// told of it since.
    pub fn tell(&self, device: &DeviceId, note: String) {
        // When the courier has ended, so has the service.
        let _ = self.errands.send(Errand::Tell(device.clone(), note));
    }

    /// Calls `ear` on the courier's thread with each note of others, in the order in which they were told. The first to
    /// listen is the only one.
    pub fn listen(&self, ear: impl Fn(&DeviceId, &str) + Send + Sync + 'static) {
        let _ = self.ear.set(Box::new(ear));
    }
}
