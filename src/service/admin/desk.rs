//! What the routes of the admin API work with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::service::auth::Auth;
use crate::service::budgets::Budgets;
use crate::service::gates::Gates;
use crate::service::issue::Issuer;
use crate::service::keyring::KeyRing;
use crate::service::metrics::Metrics;
use crate::service::otlp::Otlp;
use crate::service::standing::Standing;
use crate::service::store::{Database, UsageWriter};
use crate::service::sync::Sync;
use crate::service::tls::Tls;

/// Shared by all routes.
#[derive(Clone)]
pub(in crate::service) struct Desk {
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
