//! The watched devices, in bounded space.
//!
//! Only devices with a valid token get here. When a shard is full, the device that was seen least recently makes room;
//! it is watched again from its next request on.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::history::History;
use super::network::Network;
use super::track::Sighting;
use crate::lock::lock;
use crate::wire::DeviceId;

/// Devices by id, in shards with a lock each.
pub(super) struct WatchedDevices {
    shards: Box<[WatchedShard]>,
    hasher: RandomState,
}

/// A shard has a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct WatchedShard(Mutex<HashMap<DeviceId, Box<Watched>>>);

#[derive(Default)]
pub(super) struct Watched {
    pub(super) history: History,
    seen: u64,
    /// The sighting that other instances were told last.
    told: Option<Sighting>,
}

impl WatchedDevices {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| WatchedShard::default()).collect(), hasher: RandomState::new() }
    }

    /// Adds the device if it is not watched yet.
    pub(super) fn with<T>(&self, id: &DeviceId, work: impl FnOnce(&mut Watched) -> T) -> T {
        let mut devices = self.shard(id);
        if let Some(watched) = devices.get_mut(id) {
            return work(watched);
        }
        if devices.len() >= MOST_IN_SHARD {
            forget_one(&mut devices);
        }
        work(devices.entry(id.clone()).or_default())
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(&shard.0).len()).sum()
    }

    fn shard(&self, id: &DeviceId) -> MutexGuard<'_, HashMap<DeviceId, Box<Watched>>> {
        let index = usize::try_from(self.hasher.hash_one(id) % SHARDS).expect("it is below the number of shards");
        lock(&self.shards[index].0)
    }
}

impl Watched {
    pub(super) fn see(&mut self, seen: &Sighting) -> Option<[Network; 2]> {
        self.seen = self.seen.max(seen.at);
        self.history.see(seen)
    }

    /// Whether other instances should hear of this sighting: it is from another place, or the last one told is a while
    /// ago.
    pub(super) fn is_news(&mut self, seen: &Sighting) -> bool {
        let is_known = self.told.is_some_and(|told| {
            let is_recent = Duration::from_millis(seen.at.saturating_sub(told.at)) < TELL_AGAIN;
            is_recent && told.network.distance(seen.network) <= 0.0 && told.network.is_v6() == seen.network.is_v6()
        });
        if !is_known {
            self.told = Some(*seen);
        }
        !is_known
    }
}

/// Searches a full shard, which only a device that is not watched yet pays for.
fn forget_one(devices: &mut HashMap<DeviceId, Box<Watched>>) {
    let oldest = devices.iter().min_by_key(|(_, watched)| watched.seen).map(|(id, _)| id.clone());
    if let Some(oldest) = oldest {
        devices.remove(&oldest);
    }
}

const SHARDS: u64 = 64;

/// Over all shards 32,768 devices, in about 30 MB.
const MOST_IN_SHARD: usize = 512;

/// A busy device that stays in its place is not reported with every request.
const TELL_AGAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::govern::leak::program::Program;

    fn sighting(second: u64, address: &str) -> Sighting {
        Sighting { at: second * 1000, network: Network::of(address.parse().unwrap()), program: Program(7) }
    }

    #[test]
    fn the_space_is_bounded_and_devices_seen_lately_stay() {
        let devices = WatchedDevices::new();
        let kept = DeviceId::parse("device-kept").unwrap();
        for number in 0..50_000 {
            let id = DeviceId::parse(&format!("device-{number:06}")).unwrap();
            devices.with(&id, |watched| watched.see(&sighting(number, "203.0.113.1")));
            devices.with(&kept, |watched| watched.see(&sighting(number, "203.0.113.1")));
        }
        let most = 64 * MOST_IN_SHARD;
        assert!((most / 2..=most).contains(&devices.len()), "{}", devices.len());
        assert_eq!(devices.with(&kept, |watched| watched.seen), 49_999_000);
    }

    #[test]
    fn other_instances_are_told_of_moves_at_once_and_of_stays_now_and_then() {
        let mut watched = Watched::default();
        for (second, address, is_news) in [
            (0, "203.0.113.1", true),
            (1, "203.0.113.1", false),
            (1, "203.0.7.1", false),
            (1, "198.51.100.1", true),
            (1, "2001:db8::1", true),
            (2, "2001:db8::1", false),
            (3, "2001:db8::1", true),
        ] {
            assert_eq!(watched.is_news(&sighting(second, address)), is_news, "{second} {address}");
        }
    }
}
