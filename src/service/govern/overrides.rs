//! The per-device overrides that administrators have set: a copy of the store's. A change puts another copy in its place.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::service::govern::features::FeaturePolicy;
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
    /// Field by field.
    pub features: Option<Arc<FeaturePolicy>>,
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
    defaults: ArcSwap<DeviceDefaults>,
}

/// What holds for a device without overrides.
struct DeviceDefaults {
    limits: DeviceLimits,
    /// `None` if nothing is limited.
    features: Option<Arc<FeaturePolicy>>,
}

impl DeviceDefaults {
    fn new(limits: DeviceLimits, features: FeaturePolicy) -> Self {
        Self { limits, features: Some(features).filter(FeaturePolicy::limits_anything).map(Arc::new) }
    }

    /// The features of a device with this policy of its own; `None` if nothing is limited.
    fn features(&self, own: Option<&Arc<FeaturePolicy>>) -> Option<Arc<FeaturePolicy>> {
        let features = match (own, &self.features) {
            (None, defaults) => return defaults.clone(),
            (Some(own), None) => Arc::clone(own),
            (Some(own), Some(defaults)) => Arc::new(own.over(defaults)),
        };
        features.limits_anything().then_some(features)
    }
}

impl DeviceOverrides {
    /// Starts without overrides, so that these limits and features hold for all devices.
    pub fn new(limits: DeviceLimits, features: FeaturePolicy) -> Self {
        Self { current: ArcSwap::default(), defaults: ArcSwap::from_pointee(DeviceDefaults::new(limits, features)) }
    }

    pub fn of(&self, device: &DeviceId) -> Option<Arc<DeviceOverride>> {
        self.current.load().get(device).cloned()
    }

    /// The limits of a device with these overrides, or with none, and its features; `None` is no limit of features.
    pub fn rules(&self, own: Option<&DeviceOverride>) -> (DeviceLimits, Option<Arc<FeaturePolicy>>) {
        let defaults = self.defaults.load();
        let limits = own.map_or(defaults.limits, |own| own.limits.over(&defaults.limits));
        (limits, defaults.features(own.and_then(|own| own.features.as_ref())))
    }

    /// Sets the limits and features of all devices, but for their overrides.
    pub fn set_defaults(&self, limits: DeviceLimits, features: FeaturePolicy) {
        self.defaults.store(Arc::new(DeviceDefaults::new(limits, features)));
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

    fn limits(overrides: &DeviceOverrides, own: Option<&DeviceOverride>) -> DeviceLimits {
        overrides.rules(own).0
    }

    #[test]
    fn an_override_replaces_a_default_and_zero_lifts_a_limit() {
        let defaults = DeviceLimits {
            requests: NonZeroU32::new(100),
            window: Duration::from_secs(60),
            tokens_per_minute: NonZeroU64::new(5),
            concurrent: None,
            tells_requests: false,
        };
        let overrides = DeviceOverrides::new(defaults, FeaturePolicy::default());
        assert_eq!(limits(&overrides, None), defaults);
        let own = LimitOverrides { requests: Some(0), concurrent: Some(2), ..LimitOverrides::default() };
        let rule = DeviceOverride { limits: own, ..DeviceOverride::default() };
        let expected =
            DeviceLimits { requests: None, concurrent: NonZeroU32::new(2), tells_requests: true, ..defaults };
        assert_eq!(limits(&overrides, Some(&rule)), expected);
        let fewer = DeviceLimits { tokens_per_minute: NonZeroU64::new(1), ..defaults };
        overrides.set_defaults(fewer, FeaturePolicy::default());
        assert_eq!(limits(&overrides, None), fewer);
        let expected = DeviceLimits { tokens_per_minute: NonZeroU64::new(1), ..expected };
        assert_eq!(limits(&overrides, Some(&rule)), expected);
    }

    #[test]
    fn features_are_replaced_field_by_field_and_none_are_limited_when_nothing_is_said() {
        let limits = DeviceLimits {
            requests: None,
            window: Duration::from_secs(60),
            tokens_per_minute: None,
            concurrent: None,
            tells_requests: false,
        };
        let policy = |json: &str| serde_json::from_str::<FeaturePolicy>(json).unwrap();
        let own = |json: &str| DeviceOverride { features: Some(Arc::new(policy(json))), ..DeviceOverride::default() };
        let overrides = DeviceOverrides::new(limits, FeaturePolicy::default());
        let features = |rule: Option<&DeviceOverride>| overrides.rules(rule).1.map(|features| (*features).clone());
        assert_eq!((features(None), features(Some(&own("{}")))), (None, None));
        assert_eq!(features(Some(&own(r#"{"threads":false}"#))), Some(policy(r#"{"threads":false}"#)));
        overrides.set_defaults(limits, policy(r#"{"fast_mode":false,"max_tokens":8}"#));
        assert_eq!(features(None), Some(policy(r#"{"fast_mode":false,"max_tokens":8}"#)));
        assert_eq!(features(Some(&DeviceOverride::default())), features(None));
        let more = own(r#"{"max_tokens":9,"threads":false}"#);
        assert_eq!(features(Some(&more)), Some(policy(r#"{"fast_mode":false,"max_tokens":9,"threads":false}"#)));
        assert_eq!(features(Some(&own(r#"{"fast_mode":true,"max_tokens":0}"#))), None, "all is lifted");
    }
}
