//! The state that all handlers of the admin API share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::settings::SettingsInForce;
use crate::clock::Clock;
use crate::secret::Secret;
use crate::service::enrol::issuer::Issuer;
use crate::service::govern::access::AccessPolicy;
use crate::service::govern::breaker::Breaker;
use crate::service::govern::budgets::Budgets;
use crate::service::http::allowed_hosts::AllowedHosts;
use crate::service::http::tls::Tls;
use crate::service::store::database::Database;
use crate::service::store::policy_sync::PolicySync;
use crate::service::telemetry::metrics::MetricsPage;
use crate::service::token::verify::Auth;

#[derive(Clone)]
pub(crate) struct AdminState {
    pub database: Database,
    /// Puts changes into force on this instance.
    pub sync: Arc<PolicySync>,
    pub access: AccessPolicy,
    pub budgets: Budgets,
    pub breaker: Breaker,
    pub auth: Arc<Auth>,
    pub issuer: Arc<Issuer>,
    /// `None` if the service speaks plain HTTP.
    pub tls: Option<Arc<Tls>>,
    pub metrics: Arc<MetricsPage>,
    /// The hosts that administrators may name.
    pub hosts: Arc<ArcSwap<AllowedHosts>>,
    /// The settings in force, without secrets.
    pub settings: Arc<ArcSwap<SettingsInForce>>,
    /// The admin token, which a reload may change; without one the admin API is off.
    pub token: Arc<ArcSwapOption<Secret>>,
    pub clock: Arc<dyn Clock>,
    /// Lifetime of a token.
    pub token_life: Duration,
}

impl AdminState {
    /// When every token that was issued until now has expired.
    pub(super) fn last_token_ends(&self) -> SystemTime {
        self.clock.now() + self.token_life + AFTERGLOW
    }
}

/// How much longer than a token's lifetime its revocation is kept, because clocks differ.
const AFTERGLOW: Duration = Duration::from_secs(300);
