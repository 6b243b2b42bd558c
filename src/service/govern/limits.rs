//! The limits of one device: requests in a window, tokens in a minute, open requests at once.
//!
//! The limiter is called once per request, after the token is verified and before anything is sent up. Without Redis a
//! decision is made in memory and is exact: never more than N in *any* window of length W, bursts of N included; room
//! appears at most W/64 late. With Redis the same holds over all instances, by Redis's clock.
//!
//! When Redis is away, slow or broken, each instance goes on with its share of the limits (at least one request),
//! within 5 ms and without a restart in either direction. It remembers what it admitted while Redis decided, so an
//! instance alone never exceeds a limit. With `k` instances that know of each other a window holds at most the sum of:
//!
//! - N admitted by Redis,
//! - N more for each time that Redis lost its data, or its clock leapt ahead, inside the window,
//! - max(N, k) admitted by shares,
//!
//! and never more than `k`·N. An instance that starts while Redis is away knows of no other and takes the whole limit.
//!
//! Tokens are known only after a request, so requests that are open when the limit is reached still end.
//!
//! `limits.lua` does in Redis what [`window`](crate::service::base::window) does here. Why not GCRA:
//! `docs/decisions/0003-exact-sliding-window.md`.

mod allowance;
mod calls;
mod decision;
mod device;
mod devices;
mod gossip;
mod inspection;
mod key_names;
mod lease;
mod limiter_error;
mod link;
mod notes;
mod pending;
mod permit;
mod problem;
mod redis_error;
mod redis_limiter;
mod redis_task;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

pub use self::allowance::{Allowance, Remainder};
pub use self::decision::{Counters, DeviceLimits, InstanceSettings, Limit, LimitExceededError};
use self::device::{Demand, LimitedDevice};
use self::devices::LimitedDevices;
pub use self::gossip::Gossip;
pub use self::inspection::{RedisInspection, RedisInspectionError, check_url, inspect};
pub use self::limiter_error::LimiterError;
use self::permit::OpenPermit;
pub use self::permit::Permit;
pub use self::redis_error::RedisLinkError;
use self::redis_limiter::RedisLimiter;
use crate::secret::Secret;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};
use crate::wire::DeviceId;

/// Decides for all workers. Clones share their state.
#[derive(Clone)]
pub struct Limiter {
    devices: Arc<LimitedDevices>,
    shared: Option<Arc<RedisLimiter>>,
}

#[derive(Debug, Clone)]
pub struct LimiterState {
    pub store: Store,
    pub devices: usize,
    /// Decisions about requests that a limit applied to.
    pub counters: Counters,
    /// Decisions made without the Redis that was configured.
    pub by_fallback: u64,
    /// The faults that requests met instead of a decision by Redis, and how often.
    pub faults: Vec<(RedisLinkError, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// This process decides alone.
    Local,
    /// Redis decides for all instances that live.
    Redis { instances: NonZeroU32 },
    /// This process decides, with its share, until Redis is back.
    Degraded {
        fault: RedisLinkError,
        /// The instances among which the limits are divided.
        instances: NonZeroU32,
    },
}

impl Limiter {
    /// A limiter that decides for this process alone.
    pub fn local() -> Self {
        Self { devices: Arc::new(LimitedDevices::new()), shared: None }
    }

    /// A limiter that decides together with other instances. While Redis is away it starts nevertheless, degraded.
    pub async fn with_redis(url: &Secret, settings: InstanceSettings) -> Result<Self, LimiterError> {
        let shared = RedisLimiter::start(url, settings).await?;
        Ok(Self { devices: Arc::new(LimitedDevices::new()), shared: Some(Arc::new(shared)) })
    }

    /// A denied request is charged nothing. `counts` is false for requests that cost nothing (`count_tokens`, models):
    /// only the limit of open requests applies to them.
    ///
    /// [`LimitExceededError`] names the limit that makes the request wait longest.
    pub async fn admit(
        &self,
        id: &DeviceId,
        limits: &DeviceLimits,
        counts: bool,
    ) -> Result<Permit, LimitExceededError> {
        let demand = Demand { limits, counts, sharers: NonZeroU32::MIN };
        if !demand.is_limited() {
            return Ok(Permit::default());
        }
        let device = self.devices.find(id);
        let decision = match &self.shared {
            None => OpenPermit::admit(&device, &demand).map(|open| Permit::alone(open, &demand)),
            // Boxed, so that requests of a service without Redis are not enlarged by a future that they never run.
            Some(shared) => Box::pin(together(shared, &device, id, &demand)).await,
        };
        self.devices.count(id, decision.as_ref().map(|_| ()));
        decision
    }

    /// The gossip with the instances that decide together; `None` without Redis.
    pub fn gossip(&self) -> Option<Gossip> {
        self.shared.as_ref().map(|shared| shared.gossip.clone())
    }

    pub fn state(&self) -> LimiterState {
        let link = self.shared.as_ref().map(|shared| &*shared.link);
        let store = link.map_or(Store::Local, |link| match (link.fault(), link.instances()) {
            (None, instances) => Store::Redis { instances },
            (Some(fault), instances) => Store::Degraded { fault, instances },
        });
        LimiterState {
            store,
            devices: self.devices.len(),
            counters: self.devices.counters(),
            by_fallback: link.map_or(0, link::Link::fallbacks),
            faults: link.map_or_else(Vec::new, link::Link::faults),
        }
    }
}

impl MetricSource for Limiter {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let LimiterState { store, counters, by_fallback, .. } = self.state();
        let decisions = [
            ("admitted", counters.admitted),
            ("denied_requests", counters.denied_requests),
            ("denied_tokens", counters.denied_tokens),
            ("denied_concurrent", counters.denied_concurrent),
        ];
        page.counters("limit_decisions", "Decisions about devices' limits", "decision", decisions)?;
        page.counter("limit_fallbacks", "Decisions that were made without the configured Redis", by_fallback)?;
        let is_degraded = u32::from(matches!(store, Store::Degraded { .. }));
        page.gauge("limit_store_degraded", "1 while limits are decided without the configured Redis", is_degraded)
    }
}

/// This process decides first: it knows its own part, and a request that is too much for it alone needs no Redis. Then
/// Redis decides; if Redis has no answer, this process decides with its share.
async fn together(
    shared: &RedisLimiter,
    device: &Arc<LimitedDevice>,
    id: &DeviceId,
    demand: &Demand<'_>,
) -> Result<Permit, LimitExceededError> {
    let name = device.name(id, &shared.names);
    let mut lease = None;
    if shared.link.fault().is_none() {
        let open = OpenPermit::admit(device, demand)?;
        lease = demand.concurrent().map(|_| shared.lease(name));
        match shared.ask(name, demand, lease.as_ref()).await {
            Ok(Ok(count)) => {
                let permit = Permit::local(open, demand).shared(&shared.updates, name, lease);
                return Ok(permit.counted(demand, &count));
            }
            Ok(Err(denied)) => {
                open.take_back();
                if let Some(lease) = lease {
                    lease.forget();
                }
                return Err(denied);
            }
            Err(_) => open.take_back(),
        }
    }
    shared.link.fell_back();
    let demand = Demand { sharers: shared.link.instances(), ..*demand };
    let open = OpenPermit::admit(device, &demand)?;
    let lease = lease.or_else(|| demand.concurrent().map(|_| shared.lease(name)));
    Ok(Permit::local(open, &demand).shared(&shared.updates, name, lease))
}

#[cfg(test)]
mod tests;
