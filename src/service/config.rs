//! The service's configuration: read once, checked whole, reported together.

mod flags;
mod reader;

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;

pub use self::flags::Flags;
use self::reader::Reader;
use super::auth::TokenPolicy;
use super::issue::Terms;
use super::keyring::{KeyFile, KeyList};
use crate::secret::Secret;
use crate::transport::connect::HttpVersion;
use crate::transport::origin::Origin;

/// Everything the service needs to know before it starts.
#[derive(Debug)]
pub struct Config {
    /// Where and how it listens.
    pub listen: Listen,
    /// Where requests go.
    pub upstream: UpstreamConfig,
    /// The tokens it issues and accepts.
    pub tokens: TokenPolicy,
    /// The secrets they are signed with.
    pub signing: SigningSecret,
    /// What devices are told.
    pub terms: Terms,
    /// Who gets a token.
    pub enrolment: Enrolment,
    /// Web origins that may read answers; empty means none.
    pub cors: Vec<HeaderValue>,
    /// What it writes about itself.
    pub log: LogConfig,
    /// What a device may do unless an administrator says otherwise.
    pub limits: DeviceLimits,
    /// What is kept, and what instances share.
    pub stores: Stores,
    /// Who governs it.
    pub admin: AdminConfig,
    /// `TRUSTED_PROXIES`: whose word about a client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What is done about devices that are in two places at once.
    pub leaks: LeakConfig,
}

/// Where and how the service listens.
#[derive(Debug, Clone)]
pub struct Listen {
    /// `HOST` and `PORT`.
    pub address: SocketAddr,
    /// `WORKERS`: threads that serve requests.
    pub workers: usize,
    /// `MAX_CONNECTIONS` at once.
    pub max_connections: usize,
    /// `MAX_PAYLOAD_SIZE` in bytes.
    pub max_payload: u64,
    /// `REQUEST_TIMEOUT`: the longest wait for a request's head, and for the next piece of its body.
    pub request_timeout: Duration,
    /// `DRAIN_TIMEOUT`: how long open requests may go on after a signal to stop.
    pub drain: Duration,
}

/// Where requests go and with which key.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// `ANTHROPIC_BASE_URL`.
    pub origin: Origin,
    /// `ANTHROPIC_API_KEY`: the secret that this product exists to keep.
    pub key: Secret,
    /// `UPSTREAM_AUTH_HEADER`.
    pub auth: UpstreamAuth,
    /// `UPSTREAM_HTTP_VERSION`.
    pub version: HttpVersion,
    /// `UPSTREAM_CA_FILE`: further roots to trust, PEM.
    pub extra_roots: Option<PathBuf>,
    /// `UPSTREAM_CONNECT_TIMEOUT`.
    pub connect_timeout: Duration,
    /// `UPSTREAM_FIRST_BYTE_TIMEOUT`: until the response's head.
    pub first_byte_timeout: Duration,
    /// `UPSTREAM_IDLE_TIMEOUT`: the longest silence inside a response.
    pub idle_timeout: Duration,
}

/// Which header carries the real key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamAuth {
    /// `x-api-key`, as in Anthropic's own samples.
    ApiKey,
    /// `Authorization: Bearer`.
    Bearer,
}

/// The secrets that sign tokens.
#[derive(Debug, Clone)]
pub enum SigningSecret {
    /// `JWT_SECRET` or `JWT_SECRETS`.
    Given(KeyList),
    /// `JWT_SECRETS_FILE`, whose changes take effect while the service runs.
    Followed(KeyFile),
    /// None was given and only this machine is served: a random one, kept in this file.
    KeptIn(PathBuf),
}

/// Who gets a token.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// `BOOTSTRAP_MODE`.
    pub mode: BootstrapMode,
    /// `ENROLMENT_TOKENS`.
    pub tokens: Vec<Secret>,
}

/// How open `POST /bootstrap` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootstrapMode {
    /// Everybody who can reach the service.
    Open,
    /// Who has an enrolment token.
    Enrolment,
    /// Nobody.
    Closed,
}

impl BootstrapMode {
    /// As it is written in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Enrolment => "enrolment",
            Self::Closed => "closed",
        }
    }
}

/// What one device may do. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceLimits {
    /// `RATE_LIMIT_MAX`: requests in any window.
    pub requests: Option<NonZeroU32>,
    /// `RATE_LIMIT_WINDOW`.
    pub window: Duration,
    /// `TOKENS_PER_MINUTE`: input and output together, in any minute.
    pub tokens_per_minute: Option<NonZeroU64>,
    /// `CONCURRENT_REQUESTS`.
    pub concurrent: Option<NonZeroU32>,
}

/// What is kept, and what instances share.
#[derive(Debug, Clone)]
pub struct Stores {
    /// `DATABASE_URL`.
    pub database: DatabaseUrl,
    /// `REDIS_URL`; it may hold a password.
    pub redis: Option<Secret>,
}

/// A database.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// PostgreSQL; the URL may hold a password.
    Postgres(Secret),
}

/// The admin listener.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// `ADMIN_HOST` and `ADMIN_PORT`.
    pub address: SocketAddr,
    /// `ADMIN_TOKEN`; without it nobody governs.
    pub token: Option<Secret>,
    /// `REVOCATION_MAX_STALENESS`: how long requests are served while nobody can tell who is revoked.
    pub max_staleness: Duration,
}

/// What is done about devices that are used in two places at once.
#[derive(Debug, Clone)]
pub struct LeakConfig {
    /// `LEAK_DETECTION`.
    pub mode: LeakMode,
    /// `LEAK_KNOWN_NETWORKS`: what comes from there is not looked at.
    pub known_networks: Vec<IpNet>,
}

/// What follows when a device is used in two places at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeakMode {
    /// Nobody looks.
    Off,
    /// A line in the log and a count.
    Observe,
    /// Its tokens are ended, and it asks for a new one.
    Refresh,
    /// The same; and if that does not help, it is revoked.
    Revoke,
}

impl LeakMode {
    /// As it is written in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Refresh => "refresh",
            Self::Revoke => "revoke",
        }
    }
}

/// What the service writes about itself, on standard error.
#[derive(Debug, Clone, Copy)]
pub struct LogConfig {
    /// `LOG_LEVEL`.
    pub level: tracing::level_filters::LevelFilter,
    /// `LOG_FORMAT`: JSON lines, or text for a person.
    pub json: bool,
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct ConfigProblem {
    /// The environment variable; the flag has the same name.
    pub variable: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Config {
    /// Reads all settings.
    ///
    /// # Errors
    /// Every [`ConfigProblem`] there is, not only the first.
    pub fn read(flags: &Flags) -> Result<Self, Vec<ConfigProblem>> {
        let mut reader = Reader::default();
        let host = reader.host(flags);
        let config = Self {
            listen: reader.listen(flags, host),
            upstream: reader.upstream(flags),
            tokens: reader.tokens(flags),
            signing: reader.signing(flags, host),
            terms: reader.terms(flags, host),
            enrolment: reader.enrolment(flags, host),
            cors: reader.cors(flags),
            log: reader.log(flags),
            limits: reader.limits(flags),
            stores: reader.stores(flags),
            admin: reader.admin(flags),
            trusted_proxies: reader.networks("TRUSTED_PROXIES", flags.trusted_proxies.as_deref()),
            leaks: reader.leaks(flags),
        };
        reader.finish(config)
    }
}

/// Whether only this machine can connect.
fn is_local(host: IpAddr) -> bool {
    host.is_loopback()
}

#[cfg(test)]
mod tests;
