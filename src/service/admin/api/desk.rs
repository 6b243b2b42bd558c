//! What the routes of the admin API work with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::service::enrol::issuer::Issuer;
use crate::service::govern::access::Standing;
use crate::service::govern::budgets::Budgets;
use crate::service::http::tls::Tls;
use crate::service::relay::gates::Gates;
use crate::service::store::database::{Database, UsageWriter};
use crate::service::store::policy_sync::Sync;
use crate::service::telemetry::metrics::Metrics;
use crate::service::telemetry::otlp::Otlp;
use crate::service::token::keyring::KeyRing;
use crate::service::token::verify::Auth;

/// Shared by all routes.
#[derive(Clone)]
pub(crate) struct Desk {
    /// What is kept.
    pub database: Database,
    /// Puts changes into force here.
    pub sync: Arc<Sync>,
    /// What requests are judged by.
    pub standing: Standing,
    /// What may be spent and was.
    pub budgets: Budgets,
    /// What requests pass.
    pub gates: Arc<Gates>,
    /// Reads tokens.
    pub auth: Arc<Auth>,
    /// Makes tokens.
    pub issuer: Arc<Issuer>,
    /// The keys of tokens.
    pub keys: Arc<KeyRing>,
    /// What clients are shown, if they are served TLS here.
    pub tls: Option<Arc<Tls>>,
    /// Writes usage records.
    pub usage: Arc<UsageWriter>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Sends traces and metrics, if there is a collector.
    pub otlp: Option<Arc<Otlp>>,
    /// The settings in force, without secrets.
    pub settings: Arc<ArcSwap<serde_json::Value>>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// How long a token lives.
    pub token_life: Duration,
}

impl Desk {
    /// When no token that was issued until now can be used any more.
    #[must_use]
    pub(super) fn last_token_ends(&self) -> SystemTime {
        self.clock.now() + self.token_life + AFTERGLOW
    }
}

/// How much longer than a token's life its revocation is kept: clocks differ.
const AFTERGLOW: Duration = Duration::from_secs(300);
