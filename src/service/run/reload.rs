//! Applies a reload: the parts whose settings can change while the service runs. All other settings need a restart.

mod metrics;

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::Value;

pub(crate) use self::metrics::ReloadMetrics;
use crate::service::config;
use crate::service::config::Config;
use crate::service::enrol::issuer::Issuer;
use crate::service::govern::budgets::Budgets;
use crate::service::govern::overrides::DeviceOverrides;
use crate::service::meter::prices::Prices;
use crate::service::telemetry::log;

/// The parts that take a change.
pub(crate) struct Reloadable {
    /// Holds the limits of all devices.
    pub overrides: Arc<DeviceOverrides>,
    pub budgets: Budgets,
    /// Holds the models that tokens allow.
    pub issuer: Arc<Issuer>,
    pub prices: Arc<ArcSwap<Prices>>,
    /// The settings in force, as administrators see them.
    pub settings: Arc<ArcSwap<Value>>,
    pub metrics: Arc<ReloadMetrics>,
}

impl Reloadable {
    /// Applies the changeable settings. Open requests keep the settings they began with.
    pub(crate) fn apply(&self, new: Config) {
        let mut shown = Value::clone(&self.settings.load());
        let mut changed = config::shown(&new);
        for name in CHANGEABLE {
            shown[name] = changed[name].take();
        }
        self.settings.store(Arc::new(shown));
        self.overrides.set_defaults(new.limits);
        self.budgets.limit_by_default(new.budgets);
        self.issuer.set_terms(new.terms);
        self.prices.store(Arc::new(new.prices.table));
        log::set_level(new.log.level);
    }
}

/// Whether a change of this variable takes effect without a restart.
pub(crate) fn is_changeable(variable: &str) -> bool {
    CHANGEABLE.contains(&variable)
}

const CHANGEABLE: [&str; 11] = [
    "ALLOWED_MODELS",
    "CONCURRENT_REQUESTS",
    "DEVICE_BUDGET",
    "LOG_LEVEL",
    "ORG_BUDGET",
    "PRICES_FILE",
    "PROXY_BASE_URL",
    "RATE_LIMIT_MAX",
    "RATE_LIMIT_WINDOW",
    "TOKENS_PER_MINUTE",
    "USER_BUDGET",
];
