//! The per-device overrides that administrators have set: a copy of the store's. A change puts another copy in its place.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::service::govern::limits::DeviceLimits;
use crate::wire::DeviceId;

/// The overrides of one device. `None` keeps the value of the token or of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceOverride {
    pub org: Option<String>,
    pub user: Option<String>,
    /// The models that the device may ask for; empty means all.
    pub models: Option<Vec<String>>,
    pub limits: LimitOverrides,
}

/// Limits of one device; zero means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    pub requests: Option<u32>,
    pub window: Option<Duration>,
    pub tokens_per_minute: Option<u64>,
    pub concurrent: Option<u32>,
}

impl LimitOverrides {
    /// Returns `defaults` with these overrides.
    pub fn over(self, defaults: &DeviceLimits) -> DeviceLimits {
        DeviceLimits {
            requests: self.requests.map_or(defaults.requests, NonZeroU32::new),
            window: self.window.unwrap_or(defaults.window),
            tokens_per_minute: self.tokens_per_minute.map_or(defaults.tokens_per_minute, NonZeroU64::new),
            concurrent: self.concurrent.map_or(defaults.concurrent, NonZeroU32::new),
            tells_requests: self.requests.is_some() || defaults.tells_requests,
        }
    }
}

pub struct DeviceOverrides {
    current: ArcSwap<HashMap<DeviceId, Arc<DeviceOverride>>>,
    defaults: ArcSwap<DeviceLimits>,
}

impl DeviceOverrides {
    /// Starts without overrides, so that all devices have the limits `defaults`.
    pub fn new(defaults: DeviceLimits) -> Self {
        Self { current: ArcSwap::default(), defaults: ArcSwap::from_pointee(defaults) }
    }

    pub fn of(&self, device: &DeviceId) -> Option<Arc<DeviceOverride>> {
        self.current.load().get(device).cloned()
    }

    /// The limits of a device with these overrides, or with none.
    pub fn limits(&self, rule: Option<&DeviceOverride>) -> DeviceLimits {
        let defaults: DeviceLimits = **self.defaults.load();
        rule.map_or(defaults, |rule| rule.limits.over(&defaults))
    }

    /// Sets the limits of all devices, but for their overrides.
    pub fn set_defaults(&self, defaults: DeviceLimits) {
        self.defaults.store(Arc::new(defaults));
    }

    pub fn replace(&self, overrides: HashMap<DeviceId, Arc<DeviceOverride>>) {
        self.current.store(Arc::new(overrides));
    }

    /// Replaces the overrides of single devices; `None` removes them. To be called by one thread at a time.
    pub fn change(&self, changes: impl IntoIterator<Item = (DeviceId, Option<Arc<DeviceOverride>>)>) {
        let mut overrides = (**self.current.load()).clone();
        for (device, rule) in changes {
            match rule {
                Some(rule) => overrides.insert(device, rule),
                None => overrides.remove(&device),
            };
        }
        self.replace(overrides);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_replaces_a_default_and_zero_lifts_a_limit() {
        let defaults = DeviceLimits {
            requests: NonZeroU32::new(100),
            window: Duration::from_secs(60),
            tokens_per_minute: NonZeroU64::new(5),
            concurrent: None,
            tells_requests: false,
        };
        let overrides = DeviceOverrides::new(defaults);
        assert_eq!(overrides.limits(None), defaults);
        let limits = LimitOverrides { requests: Some(0), concurrent: Some(2), ..LimitOverrides::default() };
        let rule = DeviceOverride { limits, ..DeviceOverride::default() };
        let expected =
            DeviceLimits { requests: None, concurrent: NonZeroU32::new(2), tells_requests: true, ..defaults };
        assert_eq!(overrides.limits(Some(&rule)), expected);
        let fewer = DeviceLimits { tokens_per_minute: NonZeroU64::new(1), ..defaults };
        overrides.set_defaults(fewer);
        assert_eq!(overrides.limits(None), fewer);
        let expected = DeviceLimits { tokens_per_minute: NonZeroU64::new(1), ..expected };
        assert_eq!(overrides.limits(Some(&rule)), expected);
    }
}
