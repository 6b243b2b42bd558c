//! Limiters, limits and devices for tests.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use valetkey::service::govern::limits::DeviceLimits;
use valetkey::service::govern::limits::{InstanceSettings, Limiter, Store};
use valetkey::wire::DeviceId;

use crate::stores::redis::Redis;

/// A limiter that asks `redis`.
pub async fn healthy(redis: &Redis) -> Limiter {
    healthy_of("valetkey", redis).await
}

/// As [`healthy`], of a deployment with a name of its own.
pub async fn healthy_of(deployment: &str, redis: &Redis) -> Limiter {
    let settings = InstanceSettings { deployment: deployment.into(), ..patient() };
    let limiter = Limiter::with_redis(&redis.url(), settings).await.unwrap();
    until("Redis decides", || matches!(limiter.state().store, Store::Redis { .. })).await;
    limiter
}

/// Settings with a long wait: on a busy machine even a healthy Redis may take longer than a request would wait.
pub fn patient() -> InstanceSettings {
    InstanceSettings { decision: Duration::from_secs(5), ..InstanceSettings::default() }
}

/// Waits until `condition` holds, at most 10 s.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// As [`until`], where the answer has to be waited for.
pub async fn until_answered(what: &str, condition: impl AsyncFn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

pub fn limits(requests: u32, window_ms: u64) -> DeviceLimits {
    let window = Duration::from_millis(window_ms);
    DeviceLimits {
        requests: NonZeroU32::new(requests),
        window,
        tokens_per_minute: None,
        concurrent: None,
        tells_requests: true,
    }
}

pub fn concurrent(count: u32) -> DeviceLimits {
    DeviceLimits { concurrent: NonZeroU32::new(count), ..limits(0, 60_000) }
}

pub fn tokens(count: u64) -> DeviceLimits {
    DeviceLimits { tokens_per_minute: NonZeroU64::new(count), ..limits(0, 60_000) }
}

/// How many of `tries` are admitted.
pub async fn admitted(limiter: &Limiter, id: &DeviceId, limits: &DeviceLimits, tries: u32) -> u32 {
    let mut count = 0;
    for _ in 0..tries {
        count += u32::from(limiter.admit(id, limits, true).await.is_ok());
    }
    count
}
