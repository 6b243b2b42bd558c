//! The options of an app, parsed and checked once at the start.

use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::error::ClientError;
use crate::secret::Secret;
use crate::transport::origin::Origin;
use crate::wire::names::{BOOTSTRAP_PATH, HEALTH_PATH};

/// Options as an app gives them; an absent one has the default named at its field.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// The service's URL, ending in `/bootstrap`.
    pub bootstrap_url: String,
    /// The URL of the service's health check; default `/healthz` beside the bootstrap URL.
    pub health_url: Option<String>,
    /// Names the app, so that two apps on one machine have different device ids; default `valetkey`.
    pub app_id: Option<String>,
    /// The loopback port; default 0, for one that the system chooses.
    pub port: Option<u16>,
    /// Where the token is kept; default [`StoragePolicy::Auto`].
    pub storage: StoragePolicy,
    /// The enrolment token, if the service requires one.
    pub enrolment: Option<Secret>,
    /// The app's version, so that the operator can revoke a bad one; at most 64 printable ASCII characters.
    pub app_version: Option<String>,
    /// The longest time between two checks whether the token is due; default 30 minutes.
    pub refresh_interval: Option<Duration>,
    /// A token with less life left is refreshed; default one hour, and never more than half its lifetime.
    pub refresh_before: Option<Duration>,
    /// The longest a start may take; default 15 s.
    pub startup_timeout: Option<Duration>,
    /// The most open connections; default 512.
    pub max_connections: Option<usize>,
    /// Web origins that may call the proxy; default none.
    pub allowed_origins: Vec<String>,
}

/// Where the token is kept between starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoragePolicy {
    /// In the keychain, or in memory if there is none.
    #[default]
    Auto,
    /// In the keychain; without one the start fails.
    Keychain,
    /// In memory: every start needs a new token.
    Memory,
}

/// Options that were checked, with all defaults filled in.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The service: the bootstrap URL without `/bootstrap`.
    pub service: Origin,
    /// The URL ending in `/bootstrap`.
    pub bootstrap_url: Url,
    /// The URL of the health check.
    pub health_url: Url,
    /// The app's name, which is part of the device id.
    pub app_id: String,
    /// The loopback port; 0 for any.
    pub port: u16,
    /// Where the token is kept between starts.
    pub storage: StoragePolicy,
    /// The enrolment token, if one was given.
    pub enrolment: Option<Secret>,
    /// The app's version, if one was given.
    pub app_version: Option<String>,
    /// The longest time between two checks whether the token is due.
    pub refresh_interval: Duration,
    /// A token with less life left is refreshed.
    pub refresh_before: Duration,
    /// The longest a start may take.
    pub startup_timeout: Duration,
    /// The most open connections, at least 1.
    pub max_connections: usize,
    /// Web origins that may call the proxy.
    pub allowed_origins: Vec<HeaderValue>,
}

impl ClientConfig {
    /// Checks `options`. The error names the bad option as JavaScript spells it.
    pub fn parse(options: ClientOptions) -> Result<Self, ClientError> {
        let bootstrap_url = secure_url("bootstrapUrl", &options.bootstrap_url)?;
        let service = service_of(&bootstrap_url)?;
        let health_url = match &options.health_url {
            Some(text) => secure_url("healthUrl", text)?,
            None => service.join(HEALTH_PATH),
        };
        Ok(Self {
            service,
            bootstrap_url,
            health_url,
            app_id: app_id(options.app_id)?,
            port: options.port.unwrap_or(0),
            storage: options.storage,
            enrolment: options.enrolment,
            app_version: options.app_version,
            refresh_interval: positive("refreshIntervalMs", options.refresh_interval, REFRESH_INTERVAL)?,
            refresh_before: positive("refreshBeforeMs", options.refresh_before, REFRESH_BEFORE)?,
            startup_timeout: positive("startupTimeoutMs", options.startup_timeout, STARTUP_TIMEOUT)?,
            max_connections: options.max_connections.unwrap_or(MAX_CONNECTIONS).max(1),
            allowed_origins: options.allowed_origins.iter().map(|text| web_origin(text)).collect::<Result<_, _>>()?,
        })
    }
}

/// Checks an app id. It becomes part of a hash and of the keychain's entry, so it must have exactly one spelling.
pub fn app_id(given: Option<String>) -> Result<String, ClientError> {
    let id = given.unwrap_or_else(|| "valetkey".into());
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if plain && (1..=100).contains(&id.len()) {
        return Ok(id);
    }
    Err(ClientError::Config("appId must have 1 to 100 characters of A-Z, a-z, 0-9, '.', '_' and '-'".into()))
}

/// Parses a URL and refuses plain HTTP beyond this machine, which would show the token to the network.
fn secure_url(option: &str, text: &str) -> Result<Url, ClientError> {
    if text.is_empty() {
        return Err(ClientError::Config(format!("{option} is not set, and neither is its environment variable")));
    }
    let url = Url::parse(text).map_err(|error| ClientError::Config(format!("{option} is not a URL: {error}")))?;
    let origin = Origin::from_url(url.clone()).map_err(|error| ClientError::Config(format!("{option} {error}")))?;
    if !origin.is_tls() && !origin.is_loopback() {
        return Err(ClientError::Config(format!(
            "{option} must be https: a token would cross the network in the clear"
        )));
    }
    Ok(url)
}

fn service_of(bootstrap_url: &Url) -> Result<Origin, ClientError> {
    let prefix = bootstrap_url.path().strip_suffix(BOOTSTRAP_PATH).ok_or_else(|| {
        ClientError::Config(format!(
            "bootstrapUrl must end in {BOOTSTRAP_PATH}, as in https://claude.example/bootstrap"
        ))
    })?;
    let mut url = bootstrap_url.clone();
    url.set_path(prefix);
    Origin::from_url(url).map_err(|error| ClientError::Config(format!("bootstrapUrl {error}")))
}

fn positive(option: &str, given: Option<Duration>, default: Duration) -> Result<Duration, ClientError> {
    match given {
        Some(Duration::ZERO) => Err(ClientError::Config(format!("{option} must be more than 0"))),
        given => Ok(given.unwrap_or(default)),
    }
}

fn web_origin(text: &str) -> Result<HeaderValue, ClientError> {
    let valid = Url::parse(text).is_ok() && !text.ends_with('/') && text != "null";
    let value = HeaderValue::from_str(text).ok().filter(|_| valid);
    value.ok_or_else(|| ClientError::Config(format!("allowedOrigins: {text:?} is not an origin such as app://main")))
}

const REFRESH_INTERVAL: Duration = Duration::from_secs(30 * 60);
const REFRESH_BEFORE: Duration = Duration::from_secs(60 * 60);
const STARTUP_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_CONNECTIONS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<ClientConfig, ClientError> {
        ClientConfig::parse(ClientOptions { bootstrap_url: url.into(), ..ClientOptions::default() })
    }

    #[test]
    fn the_services_address_is_the_url_before_bootstrap() {
        let config = parse("https://claude.example/gate/bootstrap").unwrap();
        assert_eq!(config.service.as_base_url(), "https://claude.example/gate");
        assert_eq!(config.health_url.as_str(), "https://claude.example/gate/healthz");
    }

    #[test]
    fn an_address_that_is_wrong_or_unencrypted_is_refused_by_name() {
        for url in [
            "",
            "claude.example",
            "ftp://claude.example/bootstrap",
            "http://claude.example/bootstrap",
            "https://claude.example/",
            "https://user:secret@claude.example/bootstrap",
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.to_string().contains("bootstrapUrl") && !error.to_string().contains("secret"), "{error}");
        }
        assert!(parse("http://127.0.0.1:3001/bootstrap").is_ok());
    }
}
