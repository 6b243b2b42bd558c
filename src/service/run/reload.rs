//! Applies a reload: the parts whose settings can change while the service runs. All other settings need a restart.

mod metrics;

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

pub(crate) use self::metrics::ReloadMetrics;
use crate::secret::Secret;
use crate::service::admin::api::SettingsInForce;
use crate::service::config::{Config, settings};
use crate::service::enrol::issuer::Issuer;
use crate::service::govern::budgets::Budgets;
use crate::service::govern::overrides::DeviceOverrides;
use crate::service::http::allowed_hosts::AllowedHosts;
use crate::service::meter::prices::Prices;
use crate::service::relay::key_source::KeySource;
use crate::service::relay::key_swap::KeySwap;
use crate::service::telemetry::log;

/// The parts that take a change.
pub(crate) struct Reloadable {
    /// Holds the limits and features of all devices.
    pub overrides: Arc<DeviceOverrides>,
    pub budgets: Budgets,
    /// Holds the models that tokens allow, and the enrolment tokens.
    pub issuer: Arc<Issuer>,
    /// Holds the real key. `None` if a command gives the key, which then alone changes it.
    pub key: Option<Arc<KeySwap>>,
    /// `None` turns the admin API off.
    pub admin_token: Arc<ArcSwapOption<Secret>>,
    pub prices: Arc<ArcSwap<Prices>>,
    pub hosts: Arc<ArcSwap<AllowedHosts>>,
    /// The settings in force, as administrators see them.
    pub settings: Arc<ArcSwap<SettingsInForce>>,
    pub metrics: Arc<ReloadMetrics>,
}

impl Reloadable {
    /// Applies the reloadable settings. Open requests keep the settings they began with.
    pub(crate) fn apply(&self, new: Config) {
        let mut shown = SettingsInForce::clone(&self.settings.load());
        for ((setting, old), changed) in settings::ALL.iter().zip(&mut shown.0).zip(new.shown.0) {
            if setting.is_reloadable {
                *old = changed;
            }
        }
        self.settings.store(Arc::new(shown));
        self.overrides.set_defaults(new.limits, new.features);
        self.budgets.limit_by_default(new.budgets);
        self.issuer.set_terms(new.terms);
        self.issuer.set_enrolment_tokens(new.enrolment.tokens);
        if let (Some(swap), KeySource::Given { key, .. }) = (&self.key, &new.upstream.key) {
            swap.replace(key, &new.upstream.key);
        }
        self.admin_token.store(new.admin.token.map(Arc::new));
        self.prices.store(Arc::new(new.prices.table));
        self.hosts.store(Arc::new(new.hosts));
        log::set_level(new.log.level);
    }
}
