//! Limits and the decisions about them.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

/// Limits of one device. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Requests in any window.
    pub requests: Option<NonZeroU32>,
    pub window: Duration,
    /// Input and output together, in any minute.
    pub tokens_per_minute: Option<NonZeroU64>,
    pub concurrent: Option<NonZeroU32>,
    /// Whether clients are told of the limit of requests: not of the default.
    pub tells_requests: bool,
}

#[derive(Debug, Clone)]
pub struct InstanceSettings {
    /// The name of the deployment, whose instances count together.
    pub deployment: Arc<str>,
    /// The least number of instances. It counts until Redis has told how many there are.
    pub instances: NonZeroU32,
    /// How often the instance reports to Redis. After four times this without a report, its share goes to the others.
    pub heartbeat: Duration,
    /// How long an open request of an instance that died still counts.
    pub lease: Duration,
    /// How long a request waits for a decision of Redis. A timer is up to a millisecond late.
    pub decision: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceededError {
    pub limit: Limit,
    /// When there will be room. For [`Limit::Concurrent`] a guess: the end of open requests is not known.
    pub retry_after: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    Requests,
    TokensPerMinute,
    Concurrent,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub admitted: u64,
    pub denied_requests: u64,
    pub denied_tokens: u64,
    pub denied_concurrent: u64,
}

/// The window of `TOKENS_PER_MINUTE`.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
