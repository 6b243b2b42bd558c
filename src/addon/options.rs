//! The options of a start, as `index.js` passes them.

use std::time::Duration;

use napi_derive::napi;

use crate::client::config::{ClientOptions, StoragePolicy};
use crate::secret::Secret;

/// The `StartOptions` of `index.d.ts`, checked and with the environment filled in.
#[napi(object)]
pub struct NativeOptions {
    /// The service's URL, ending in `/bootstrap`.
    pub bootstrap_url: String,
    /// The URL of the service's health check.
    pub health_url: Option<String>,
    /// Names the app; part of the device id.
    pub app_id: Option<String>,
    /// The loopback port; 0 for any.
    pub port: Option<u16>,
    /// One of `auto`, `keychain` and `memory`.
    pub storage: Option<String>,
    /// The enrolment token, if the service requires one.
    pub enrolment_token: Option<String>,
    /// The app's version, which the operator can revoke.
    pub app_version: Option<String>,
    /// Milliseconds between two checks whether the token is due, at most.
    pub refresh_interval_ms: Option<f64>,
    /// Milliseconds; a token with less life left is refreshed.
    pub refresh_before_ms: Option<f64>,
    /// Milliseconds that a start may take.
    pub startup_timeout_ms: Option<f64>,
    /// The most open connections.
    pub max_connections: Option<u32>,
    /// Web origins that may call the proxy.
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

/// `index.js` passes only finite numbers that are not negative.
fn millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::MAX)
}
