//! The devices that this process has heard of lately.
//!
//! Only devices with a verified token get here, so no client can spend another's limits (A46) or fill the memory with
//! invented names. A device takes up to 900 bytes, and makes room for others when nothing of it counts any more.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::device::LimitedDevice;
use super::{Counters, Limit, LimitExceededError};
use crate::lock::lock;
use crate::wire::DeviceId;

/// Devices by id, in shards with a lock each.
pub(super) struct LimitedDevices {
    shards: Box<[LimitedShard]>,
    hasher: RandomState,
    epoch: Instant,
}

/// A shard has a cache line of its own.
#[repr(align(128))]
struct LimitedShard {
    known: Mutex<DeviceMap>,
    /// Admitted requests, and those denied by each [`Limit`].
    decisions: [AtomicU64; 4],
}

struct DeviceMap {
    devices: HashMap<DeviceId, Arc<LimitedDevice>>,
    /// At this number of devices the idle ones are forgotten.
    sweep_at: usize,
}

impl LimitedDevices {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| LimitedShard::new()).collect();
        Self { shards, hasher: RandomState::new(), epoch: Instant::now() }
    }

    /// Adds the device if it is new. New devices now and then cause idle ones to be forgotten.
    pub(super) fn find(&self, id: &DeviceId) -> Arc<LimitedDevice> {
        let mut known = lock(&self.shard(id).known);
        if let Some(device) = known.devices.get(id) {
            return Arc::clone(device);
        }
        if known.devices.len() >= known.sweep_at {
            known.sweep();
        }
        let device = Arc::new(LimitedDevice::new(self.epoch));
        known.devices.insert(id.clone(), Arc::clone(&device));
        device
    }

    pub(super) fn count(&self, id: &DeviceId, decision: Result<(), &LimitExceededError>) {
        let place = match decision.map_err(|denied| denied.limit) {
            Ok(()) => 0,
            Err(Limit::Requests) => 1,
            Err(Limit::TokensPerMinute) => 2,
            Err(Limit::Concurrent) => 3,
        };
        self.shard(id).decisions[place].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counters(&self) -> Counters {
        let sum = |place: usize| self.shards.iter().map(|shard| shard.decisions[place].load(Ordering::Relaxed)).sum();
        let [admitted, denied_requests, denied_tokens, denied_concurrent] = std::array::from_fn(sum);
        Counters { admitted, denied_requests, denied_tokens, denied_concurrent }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(&shard.known).devices.len()).sum()
    }

    fn shard(&self, id: &DeviceId) -> &LimitedShard {
        let hash = self.hasher.hash_one(id);
        &self.shards[usize::try_from(hash % SHARDS).expect("it is below the number of shards")]
    }
}

impl LimitedShard {
    fn new() -> Self {
        let known = Mutex::new(DeviceMap { devices: HashMap::new(), sweep_at: SWEEP_FROM });
        Self { known, decisions: Default::default() }
    }
}

impl DeviceMap {
    /// Forgets idle devices without a request. The next sweep comes when as many devices have come as have stayed, so
    /// that a newcomer pays for about two others.
    fn sweep(&mut self) {
        self.devices.retain(|_, device| Arc::strong_count(device) > 1 || !device.is_idle());
        self.sweep_at = (self.devices.len() * 2).max(SWEEP_FROM);
        self.devices.shrink_to(self.sweep_at);
    }
}

/// There are few workers, so that two of them rarely want the same shard at the same time.
const SHARDS: u64 = 64;

/// Devices in one shard before it is worth looking for idle ones.
const SWEEP_FROM: usize = 64;
