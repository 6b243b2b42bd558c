//! The state of the connection to Redis: written by the Redis task, read by every request.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, watch};

use super::redis_error::RedisLinkError;
use crate::lock::lock;

pub(super) struct Link {
    state: Mutex<LinkState>,
    /// Decisions in a row that came too late.
    misses: AtomicU32,
    waiting: AtomicU32,
    instances: AtomicU32,
    /// Decisions that Redis did not make in time.
    by_fallback: AtomicU64,
    /// How often requests met each fault.
    faults: Mutex<HashMap<RedisLinkError, u64>>,
    /// Tells the Redis task that requests have lost their trust in Redis.
    pub trouble: Notify,
    /// Whether the first attempt to connect is over.
    pub tried: watch::Sender<bool>,
}

/// Whether requests ask Redis.
enum LinkState {
    /// No attempt to connect was made yet.
    New,
    Healthy(MultiplexedConnection),
    Degraded(RedisLinkError),
}

/// A request that waits for Redis.
pub(super) struct Waiter<'a>(&'a Link);

impl Link {
    /// Until the Redis task has connected, decisions are made in this process.
    pub(super) fn new(instances: NonZeroU32) -> Self {
        Self {
            state: Mutex::new(LinkState::New),
            misses: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            instances: AtomicU32::new(instances.get()),
            by_fallback: AtomicU64::new(0),
            faults: Mutex::default(),
            trouble: Notify::new(),
            tried: watch::Sender::new(false),
        }
    }

    /// The connection for requests, while Redis is healthy.
    pub(super) fn connection(&self) -> Result<MultiplexedConnection, RedisLinkError> {
        match &*self.state() {
            LinkState::Healthy(connection) => Ok(connection.clone()),
            LinkState::New => Err(RedisLinkError::Unreachable),
            LinkState::Degraded(fault) => Err(*fault),
        }
    }

    /// A place among the waiting requests; an error when there are too many.
    pub(super) fn wait(&self) -> Result<Waiter<'_>, RedisLinkError> {
        let waiter = Waiter(self);
        let others = self.waiting.fetch_add(1, Ordering::Relaxed);
        if others < MOST_WAITING { Ok(waiter) } else { Err(RedisLinkError::Overloaded) }
    }

    /// Called when Redis has decided in time.
    pub(super) fn succeeded(&self) {
        if self.misses.load(Ordering::Relaxed) > 0 {
            self.misses.store(0, Ordering::Relaxed);
        }
    }

    /// Called when Redis gave no decision. A single late one is an accident.
    pub(super) fn failed(&self, fault: RedisLinkError) {
        *lock(&self.faults).entry(fault).or_default() += 1;
        let is_accident =
            fault == RedisLinkError::Slow && self.misses.fetch_add(1, Ordering::Relaxed) + 1 < MISSES_TO_DEGRADE;
        if !is_accident && !fault.is_passing() && self.degrade(fault) {
            self.trouble.notify_one();
        }
    }

    /// Counts a decision that was made without Redis.
    pub(super) fn fell_back(&self) {
        self.by_fallback.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets requests ask Redis, on this connection.
    pub(super) fn restore(&self, connection: &MultiplexedConnection) {
        self.misses.store(0, Ordering::Relaxed);
        let was = std::mem::replace(&mut *self.state(), LinkState::Healthy(connection.clone()));
        if !matches!(was, LinkState::Healthy(_)) {
            tracing::info!(instances = self.instances().get(), "Redis decides limits");
        }
    }

    /// Keeps requests from asking Redis. Returns whether they did until now. The log says it once for each fault.
    pub(super) fn degrade(&self, fault: RedisLinkError) -> bool {
        let was = std::mem::replace(&mut *self.state(), LinkState::Degraded(fault));
        let is_news = !matches!(was, LinkState::Degraded(same) if same == fault);
        if is_news {
            let instances = self.instances().get();
            tracing::warn!(%fault, instances, "Limits are decided without Redis: {fault}");
        }
        matches!(was, LinkState::Healthy(_))
    }

    /// How many instances share the limits.
    pub(super) fn instances(&self) -> NonZeroU32 {
        NonZeroU32::new(self.instances.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }

    pub(super) fn set_instances(&self, instances: NonZeroU32) {
        self.instances.store(instances.get(), Ordering::Relaxed);
    }

    /// The present fault; `None` while Redis is healthy.
    pub(super) fn fault(&self) -> Option<RedisLinkError> {
        match &*self.state() {
            LinkState::Healthy(_) => None,
            LinkState::New => Some(RedisLinkError::Unreachable),
            LinkState::Degraded(fault) => Some(*fault),
        }
    }

    /// The number of decisions made without Redis.
    pub(super) fn fallbacks(&self) -> u64 {
        self.by_fallback.load(Ordering::Relaxed)
    }

    /// How often requests met each fault.
    pub(super) fn faults(&self) -> Vec<(RedisLinkError, u64)> {
        lock(&self.faults).iter().map(|(fault, count)| (*fault, *count)).collect()
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        lock(&self.state)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The most requests that wait for Redis at the same time.
const MOST_WAITING: u32 = 1024;

/// After so many late decisions in a row Redis is no longer asked.
const MISSES_TO_DEGRADE: u32 = 3;
