//! The options of a start, as JavaScript passes them.

use std::time::Duration;

use napi_derive::napi;

use crate::client::config::{ClientOptions, StoragePolicy};
use crate::secret::Secret;

/// As `StartOptions` in `index.d.ts`, with the environment already looked up and types already checked.
#[napi(object)]
pub struct NativeOptions {
    /// The service's `…/bootstrap`.
    pub bootstrap_url: String,
    /// Where to ask for health.
    pub health_url: Option<String>,
    /// Names the app.
    pub app_id: Option<String>,
    /// The loopback port.
    pub port: Option<u16>,
    /// `auto`, `keychain` or `memory`.
    pub storage: Option<String>,
    /// The enrolment token.
    pub enrolment_token: Option<String>,
    /// The app's version.
    pub app_version: Option<String>,
    /// Milliseconds.
    pub refresh_interval_ms: Option<f64>,
    /// Milliseconds.
    pub refresh_before_ms: Option<f64>,
    /// Milliseconds.
    pub startup_timeout_ms: Option<f64>,
    /// Connections at once.
    pub max_connections: Option<u32>,
    /// Web origins that may call.
    pub allowed_origins: Option<Vec<String>>,
}

impl From<NativeOptions> for ClientOptions {
    fn from(options: NativeOptions) -> Self {
        Self {
            bootstrap_url: options.bootstrap_url,
            health_url: options.health_url,
            app_id: options.app_id,
            port: options.port,
            storage: match options.storage.as_deref() {
                Some("keychain") => StoragePolicy::Keychain,
                Some("memory") => StoragePolicy::Memory,
                _ => StoragePolicy::Auto,
            },
            enrolment: options.enrolment_token.map(Secret::new),
            app_version: options.app_version,
            refresh_interval: options.refresh_interval_ms.map(millis),
            refresh_before: options.refresh_before_ms.map(millis),
            startup_timeout: options.startup_timeout_ms.map(millis),
            max_connections: options.max_connections.map(|connections| connections as usize),
            allowed_origins: options.allowed_origins.unwrap_or_default(),
        }
    }
}

/// `index.js` lets only finite numbers that are not negative pass.
fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::MAX)
}
