//! The errands that the Redis task has yet to bring to Redis, put together by device.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::Pipeline;

use super::calls;
use super::lease::{RedisUpdate, WindowSlot};
use super::notes::Notes;

#[derive(Default)]
pub(super) struct PendingUpdates {
    held: HashMap<Arc<str>, HashSet<Arc<str>>>,
    released: Vec<(Arc<str>, Arc<str>)>,
    charges: HashMap<Arc<str>, u64>,
    taken_back: Vec<(Arc<str>, WindowSlot)>,
    discarded: HashSet<Arc<str>>,
    /// The notes for other instances.
    pub notes: Notes,
}

impl PendingUpdates {
    pub(super) fn note(&mut self, update: RedisUpdate) {
        match update {
            RedisUpdate::Hold(device, lease) => {
                self.held.entry(device).or_default().insert(lease);
            }
            RedisUpdate::Release(device, lease) => self.release(device, lease),
            RedisUpdate::Charge(device, tokens) => {
                let charged = self.charges.entry(device).or_default();
                *charged = charged.saturating_add(tokens);
            }
            RedisUpdate::TakeBack(device, place) => {
                if self.taken_back.len() < MOST_OWED {
                    self.taken_back.push((device, place));
                }
            }
            RedisUpdate::Discard(device) => {
                self.discarded.insert(device);
            }
            RedisUpdate::Tell(device, note) => self.notes.note(device, note),
        }
    }

    /// Takes the calls for all new errands; `None` when there are none.
    pub(super) fn take(&mut self) -> Option<Pipeline> {
        let mut pipeline = Pipeline::new();
        for device in self.discarded.drain() {
            pipeline.add_command(calls::discard(&device)).ignore();
        }
        for (device, lease) in self.released.drain(..) {
            pipeline.add_command(calls::release(&device, &lease)).ignore();
        }
        for (device, tokens) in self.charges.drain() {
            pipeline.add_command(calls::charge(&device, tokens)).ignore();
        }
        for (device, place) in self.taken_back.drain(..) {
            pipeline.add_command(calls::take_back(&device, place)).ignore();
        }
        (!pipeline.is_empty()).then_some(pipeline)
    }

    /// The calls that prolong every held lease.
    pub(super) fn renewals(&self, life: Duration) -> Option<Pipeline> {
        let mut pipeline = Pipeline::new();
        for (device, held) in &self.held {
            pipeline.add_command(calls::renew(device, life, held)).ignore();
        }
        (!pipeline.is_empty()).then_some(pipeline)
    }

    /// Called while Redis is away. Charges are dropped, because their tokens would be charged to a later minute. Ended
    /// leases wait, because they must not run on until they expire.
    pub(super) fn forget_charges(&mut self) {
        self.charges.clear();
        self.discarded.clear();
        self.notes.forget();
    }

    fn release(&mut self, device: Arc<str>, lease: Arc<str>) {
        if let Some(held) = self.held.get_mut(&device) {
            held.remove(&lease);
            if held.is_empty() {
                self.held.remove(&device);
            }
        }
        if self.released.len() < MOST_OWED {
            self.released.push((device, lease));
        }
    }
}

/// The most ended leases, and requests taken back, that wait for Redis to come back. Those beyond expire.
const MOST_OWED: usize = 1 << 16;
