//! Gossip between instances: short notes about devices, which the Redis task carries. The leak detector uses it.
//!
//! No code waits for a note or may depend on one: while Redis is away notes are lost, and each instance goes by what it
//! sees itself.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::UnboundedSender;

use super::lease::RedisUpdate;
use crate::wire::DeviceId;

/// Clones share the way to the other instances.
#[derive(Clone)]
pub struct Gossip {
    pub(super) updates: UnboundedSender<RedisUpdate>,
    pub(super) listener: GossipListener,
}

/// Receives the notes of other instances.
pub(super) type GossipListener = Arc<OnceLock<Box<dyn Fn(&DeviceId, &str) + Send + Sync>>>;

impl Gossip {
    /// Tells other instances about a device, within about half a second. An instance that tells of a device also hears
    /// what others have told of it since.
    pub fn tell(&self, device: &DeviceId, note: String) {
        // When the Redis task has ended, so has the service.
        let _ = self.updates.send(RedisUpdate::Tell(device.clone(), note));
    }

    /// Calls `listener` on the thread of the Redis task with each note of another instance, in the order in which they were
    /// told. Only the first call of `listen` has an effect.
    pub fn listen(&self, listener: impl Fn(&DeviceId, &str) + Send + Sync + 'static) {
        let _ = self.listener.set(Box::new(listener));
    }
}
