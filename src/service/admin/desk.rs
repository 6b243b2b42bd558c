//! What the routes of the admin API work with.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::service::auth::Auth;
use crate::service::issue::Issuer;
use crate::service::metrics::Metrics;
use crate::service::standing::Standing;
use crate::service::store::Database;
use crate::service::sync::Sync;

/// Shared by all routes.
#[derive(Clone)]
pub(in crate::service) struct Desk {
    /// What is kept.
    pub database: Database,
    /// Puts changes into force here.
    pub sync: Arc<Sync>,
    /// What requests are judged by.
    pub standing: Standing,
    /// Reads tokens.
    pub auth: Arc<Auth>,
    /// Makes tokens.
    pub issuer: Arc<Issuer>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The settings in force, without secrets.
    pub settings: Arc<serde_json::Value>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// How long a token lives.
    pub token_life: Duration,
}
