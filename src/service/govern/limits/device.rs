//! What one device has done lately in this process: the counts behind its limits.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::decision::MINUTE;
use super::key_names::KeyNames;
use super::lease::RedisCount;
use super::{Allowance, Limit, LimitExceededError, Remainder};
use crate::lock::lock;
use crate::service::base::window::{SlidingWindow, Slot};
use crate::service::govern::limits::DeviceLimits;
use crate::wire::DeviceId;

/// A device is kept as long as it has an open request or anything of it counts.
pub(super) struct LimitedDevice {
    epoch: Instant,
    lately: Mutex<Lately>,
    name: OnceLock<Arc<str>>,
}

#[derive(Default)]
struct Lately {
    requests: SlidingWindow,
    tokens: SlidingWindow,
    open: u32,
}

#[derive(Clone, Copy)]
pub(super) struct Demand<'a> {
    pub limits: &'a DeviceLimits,
    /// Whether the request counts against the limits of requests and tokens.
    pub counts: bool,
    /// By how many instances the limits are divided: 1 while Redis decides or none is set.
    pub sharers: NonZeroU32,
}

/// The counts that an admitted request has taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    slot: Option<Slot>,
    /// Whether the request counts as open.
    pub is_open: bool,
}

impl Demand<'_> {
    /// The limit for this process. So are `tokens` and `concurrent`.
    pub(super) fn requests(&self) -> Option<u64> {
        let limit = self.limits.requests.filter(|_| self.counts)?;
        Some(self.share(u64::from(limit.get())))
    }

    pub(super) fn tokens(&self) -> Option<u64> {
        let limit = self.limits.tokens_per_minute.filter(|_| self.counts)?;
        Some(self.share(limit.get()))
    }

    pub(super) fn concurrent(&self) -> Option<u64> {
        Some(self.share(u64::from(self.limits.concurrent?.get())))
    }

    pub(super) fn is_limited(&self) -> bool {
        self.requests().is_some() || self.tokens().is_some() || self.concurrent().is_some()
    }

    fn share(&self, limit: u64) -> u64 {
        (limit / u64::from(self.sharers.get())).max(1)
    }
}

impl LimitedDevice {
    /// All devices count time from the same `epoch`.
    pub(super) fn new(epoch: Instant) -> Self {
        Self { epoch, lately: Mutex::default(), name: OnceLock::new() }
    }

    /// Takes everything that the request needs, or nothing.
    pub(super) fn admit(&self, demand: &Demand<'_>) -> Result<Taken, LimitExceededError> {
        let mut lately = self.lately();
        let lately = &mut *lately;
        let now = self.now();
        let mut denied = None;
        if let Some(limit) = demand.requests() {
            lately.requests.advance(now, demand.limits.window);
            longer(&mut denied, Limit::Requests, lately.requests.wait(now, limit));
        }
        if let Some(limit) = demand.tokens() {
            lately.tokens.advance(now, MINUTE);
            longer(&mut denied, Limit::TokensPerMinute, lately.tokens.wait(now, limit));
        }
        let concurrent = demand.concurrent();
        let is_full = concurrent.is_some_and(|limit| u64::from(lately.open) >= limit);
        longer(&mut denied, Limit::Concurrent, is_full.then_some(ASK_AGAIN));
        if let Some(denied) = denied {
            return Err(denied);
        }
        let slot = demand.requests().map(|_| lately.requests.add(1));
        lately.open += u32::from(concurrent.is_some());
        Ok(Taken { slot, is_open: concurrent.is_some() })
    }

    /// What is left for clients to be told of; `None` when they are told of no limit. Of what this process and Redis
    /// count the greater holds: charges reach Redis a moment late, and Redis may have lost data.
    pub(super) fn allowance(&self, demand: &Demand<'_>, redis: &RedisCount) -> Option<Box<Allowance>> {
        let requests = demand.requests().filter(|_| demand.limits.tells_requests);
        let tokens = demand.tokens();
        if requests.is_none() && tokens.is_none() {
            return None;
        }
        let lately = self.lately();
        let left = |limit: u64, counted: u64, window| {
            let full_in = if counted > 0 { window } else { Duration::ZERO };
            Remainder { limit, remaining: limit.saturating_sub(counted), full_in }
        };
        let counted_requests = lately.requests.total().max(redis.requests);
        let counted_tokens = lately.tokens.total().max(redis.tokens);
        Some(Box::new(Allowance {
            requests: requests.map(|limit| left(limit, counted_requests, demand.limits.window)),
            tokens: tokens.map(|limit| left(limit, counted_tokens, MINUTE)),
        }))
    }

    /// Undoes an admission, as if it had never been.
    pub(super) fn take_back(&self, taken: Taken) {
        let mut lately = self.lately();
        if let Some(slot) = taken.slot {
            lately.requests.take_back(slot);
        }
        lately.open -= u32::from(taken.is_open);
    }

    /// Called when an open request has ended.
    pub(super) fn close(&self) {
        self.lately().open -= 1;
    }

    pub(super) fn charge(&self, tokens: u64) {
        let mut lately = self.lately();
        lately.tokens.advance(self.now(), MINUTE);
        lately.tokens.add(tokens);
    }

    /// Whether nothing of the device counts any more.
    pub(super) fn is_idle(&self) -> bool {
        let (lately, now) = (self.lately(), self.now());
        lately.open == 0 && lately.requests.is_over(now) && lately.tokens.is_over(now)
    }

    /// What the names of the device's keys in Redis begin with.
    pub(super) fn name(&self, id: &DeviceId, names: &KeyNames) -> &Arc<str> {
        self.name.get_or_init(|| names.device(id).into())
    }

    /// Monotonic nanoseconds since `epoch`.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        lock(&self.lately)
    }
}

/// Keeps the limit that makes the request wait longest: the request would not be admitted before that.
fn longer(denied: &mut Option<LimitExceededError>, limit: Limit, wait: Option<Duration>) {
    if let Some(retry_after) = wait
        && denied.as_ref().is_none_or(|denied| denied.retry_after < retry_after)
    {
        *denied = Some(LimitExceededError { limit, retry_after });
    }
}

/// A guess, because the end of open requests is not known.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);
