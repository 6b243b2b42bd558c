//! What administrators have said about single devices: a copy of the store's, replaced as a whole.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::service::govern::limits::DeviceLimits;
use crate::wire::DeviceId;

/// What is said about one device; what is not said is as the token or the configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceRule {
    /// The organisation it belongs to.
    pub org: Option<String>,
    /// Who uses it.
    pub user: Option<String>,
    /// The models it may ask for; empty means all.
    pub models: Option<Vec<String>>,
    /// What it may do.
    pub limits: LimitOverrides,
}

/// Limits of one device; zero means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    /// Requests in any window.
    pub requests: Option<u32>,
    /// The window.
    pub window: Option<Duration>,
    /// Tokens in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests at the same time.
    pub concurrent: Option<u32>,
}

impl LimitOverrides {
    /// `defaults` with what is said here.
    #[must_use]
    pub fn over(self, defaults: &DeviceLimits) -> DeviceLimits {
        DeviceLimits {
            requests: self.requests.map_or(defaults.requests, NonZeroU32::new),
            window: self.window.unwrap_or(defaults.window),
            tokens_per_minute: self.tokens_per_minute.map_or(defaults.tokens_per_minute, NonZeroU64::new),
            concurrent: self.concurrent.map_or(defaults.concurrent, NonZeroU32::new),
        }
    }
}

/// The rules of all devices that have one.
pub struct DeviceRules {
    current: ArcSwap<HashMap<DeviceId, Arc<DeviceRule>>>,
    defaults: ArcSwap<DeviceLimits>,
}

impl DeviceRules {
    /// No device has a rule yet; all have the limits `defaults`.
    #[must_use]
    pub fn new(defaults: DeviceLimits) -> Self {
        Self { current: ArcSwap::default(), defaults: ArcSwap::from_pointee(defaults) }
    }

    /// The rule of `device`, if it has one.
    #[must_use]
    pub fn of(&self, device: &DeviceId) -> Option<Arc<DeviceRule>> {
        let current = self.current.load();
        if current.is_empty() { None } else { current.get(device).cloned() }
    }

    /// What a device with this rule, or with none, may do.
    #[must_use]
    pub fn limits(&self, rule: Option<&DeviceRule>) -> DeviceLimits {
        let defaults: DeviceLimits = **self.defaults.load();
        rule.map_or(defaults, |rule| rule.limits.over(&defaults))
    }

    /// From now on all devices have the limits `defaults`, but for what a rule says.
    pub fn set_defaults(&self, defaults: DeviceLimits) {
        self.defaults.store(Arc::new(defaults));
    }

    /// Takes all rules over.
    pub fn replace(&self, rules: HashMap<DeviceId, Arc<DeviceRule>>) {
        self.current.store(Arc::new(rules));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_changes_what_it_says_and_zero_lifts_a_limit() {
        let defaults = DeviceLimits {
            requests: NonZeroU32::new(100),
            window: Duration::from_secs(60),
            tokens_per_minute: NonZeroU64::new(5),
            concurrent: None,
        };
        let rules = DeviceRules::new(defaults);
        assert_eq!(rules.limits(None), defaults);
        let limits = LimitOverrides { requests: Some(0), concurrent: Some(2), ..LimitOverrides::default() };
        let rule = DeviceRule { limits, ..DeviceRule::default() };
        let expected = DeviceLimits { requests: None, concurrent: NonZeroU32::new(2), ..defaults };
        assert_eq!(rules.limits(Some(&rule)), expected);
        let fewer = DeviceLimits { tokens_per_minute: NonZeroU64::new(1), ..defaults };
        rules.set_defaults(fewer);
        assert_eq!(rules.limits(None), fewer);
        let expected = DeviceLimits { tokens_per_minute: NonZeroU64::new(1), ..expected };
        assert_eq!(rules.limits(Some(&rule)), expected);
    }
}
