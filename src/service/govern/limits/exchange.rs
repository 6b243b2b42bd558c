//! Gossip between instances: short notes about devices, which the Redis task carries. The leak detector uses it.
//!
//! No code waits for a note or may depend on one: while Redis is away notes are lost, and each instance goes by what it
//! sees itself.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::UnboundedSender;

use super::lease::Errand;
use crate::wire::DeviceId;

/// Clones share the way to the other instances.
#[derive(Clone)]
pub struct Exchange {
    errands: UnboundedSender<Errand>,
    ear: Ear,
}

/// Receives the notes of other instances.
pub(super) type Ear = Arc<OnceLock<Box<dyn Fn(&DeviceId, &str) + Send + Sync>>>;

impl Exchange {
    pub(super) fn new(errands: UnboundedSender<Errand>, ear: Ear) -> Self {
        Self { errands, ear }
    }

    /// Tells other instances about a device, within about half a second. An instance that tells of a device also hears
    /// what others have told of it since.
    pub fn tell(&self, device: &DeviceId, note: String) {
        // When the Redis task has ended, so has the service.
        let _ = self.errands.send(Errand::Tell(device.clone(), note));
    }

    /// Calls `ear` on the thread of the Redis task with each note of another instance, in the order in which they were
    /// told. Only the first call of `listen` has an effect.
    pub fn listen(&self, ear: impl Fn(&DeviceId, &str) + Send + Sync + 'static) {
        let _ = self.ear.set(Box::new(ear));
    }
}
