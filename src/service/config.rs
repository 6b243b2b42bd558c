//! The service's configuration: checked whole, reported together. It is read at the start, and again when a file of it
//! changes.

mod file;
mod flags;
mod given;
mod model_pattern;
mod reader;
mod reload;
mod sources;
mod warnings;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use sentry::types::Dsn;

pub use self::flags::Flags;
pub use self::given::Given;
pub(super) use self::model_pattern::{PatternFault, check_pattern};
use self::reader::Reader;
pub(super) use self::reload::ConfigReload;
pub(super) use self::sources::Sources;
use super::auth::TokenPolicy;
use super::budgets::DefaultLimits;
use super::issue::Terms;
use super::keyring::{KeyFile, KeyList};
use super::prices::Prices;
use super::text_file::TextFile;
use super::tls::CertificateFiles;
use crate::secret::Secret;
use crate::transport::connect::HttpVersion;
use crate::transport::origin::Origin;

/// Everything the service needs to know before it starts.
#[derive(Debug)]
pub struct Config {
    /// Where and how it listens.
    pub listen: Listen,
    /// TLS towards clients; without it whoever is in front of the service ends TLS, or nobody.
    pub tls: Option<TlsConfig>,
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
    /// What may be spent unless an administrator says otherwise.
    pub budgets: DefaultLimits,
    /// Whether devices may keep something upstream.
    pub batches_and_files: BatchesAndFiles,
    /// What is kept, and what instances share.
    pub stores: Stores,
    /// Who governs it.
    pub admin: AdminConfig,
    /// `TRUSTED_PROXIES`: whose word about a client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What tokens cost.
    pub prices: PriceList,
    /// Where all this comes from.
    pub(super) sources: Sources,
    /// Where traces and metrics go, if anywhere.
    pub otlp: Option<OtlpConfig>,
    /// Where faults of the service's own are reported, if anywhere.
    pub sentry: Option<SentryConfig>,
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
    /// `CLIENT_READ_TIMEOUT`: the longest wait for a client to take the next piece of its answer.
    pub client_read_timeout: Duration,
    /// `DRAIN_TIMEOUT`: how long open requests may go on after a signal to stop.
    pub drain: Duration,
}

/// TLS towards clients.
#[derive(Debug)]
pub struct TlsConfig {
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`, whose changes take effect while the service runs.
    pub files: CertificateFiles,
    /// `TLS_HANDSHAKE_TIMEOUT`.
    pub handshake_timeout: Duration,
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
    /// How many may ask.
    pub limits: BootstrapLimits,
    /// `DEVICE_KEYS`.
    pub keys: DeviceKeyPolicy,
}

/// Whether a device's id is tied to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKeyPolicy {
    /// No: proofs are not looked at.
    Off,
    /// The first key that is proved with an id is bound to it.
    Bind,
    /// The same, and who proves none gets no token.
    Require,
}

impl DeviceKeyPolicy {
    /// As it is written in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Bind => "bind",
            Self::Require => "require",
        }
    }
}

/// How much `POST /bootstrap` gives away in any hour. `None` means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BootstrapLimits {
    /// `BOOTSTRAP_RATE_MAX`: requests from one network, failed ones too.
    pub per_network: Option<NonZeroU32>,
    /// `BOOTSTRAP_NEW_DEVICES_PER_HOUR`: devices that this instance did not know, from all networks together.
    pub new_devices: Option<NonZeroU32>,
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

/// What devices may keep upstream, under the one key that all of them share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchesAndFiles {
    /// `BATCHES_AND_FILES`: whether they may at all.
    pub offered: bool,
    /// `MAX_BATCH_SIZE` in bytes.
    pub max_batch: u64,
    /// `MAX_FILE_SIZE` in bytes.
    pub max_file: u64,
}

/// What is kept, and what instances share.
#[derive(Debug, Clone)]
pub struct Stores {
    /// `DATABASE_URL`.
    pub database: DatabaseUrl,
    /// `REDIS_URL`; it may hold a password.
    pub redis: Option<Secret>,
    /// For how long.
    pub retention: RetentionConfig,
}

/// How long records are kept. `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionConfig {
    /// `USAGE_RETENTION_DAYS`
    pub usage: Option<Duration>,
    /// `AUDIT_RETENTION_DAYS`
    pub audit: Option<Duration>,
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

/// What tokens cost.
#[derive(Debug, Clone)]
pub struct PriceList {
    /// The built-in list, and over it what `PRICES_FILE` says.
    pub table: Prices,
    /// That file.
    pub(super) file: Option<TextFile>,
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

/// The OpenTelemetry collector.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: its base address.
    pub endpoint: Origin,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: marked as sensitive, because they hold credentials.
    pub headers: HeaderMap,
    /// `OTEL_SERVICE_NAME`.
    pub service_name: String,
    /// `OTEL_TRACES_SAMPLER_ARG`: how many of the requests whose client has not decided are traced, from 0 to 1.
    pub share: f64,
}

/// The Sentry project.
#[derive(Clone)]
pub struct SentryConfig {
    /// `SENTRY_DSN`: its address and a key that allows to report.
    pub dsn: Dsn,
    /// `SENTRY_ENVIRONMENT`.
    pub environment: String,
}

impl fmt::Debug for SentryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dsn, environment } = self;
        f.debug_struct("SentryConfig").field("host", &dsn.host()).field("environment", environment).finish()
    }
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
    /// Reads all settings: `flags`, and under them the file that they name.
    ///
    /// # Errors
    /// Every [`ConfigProblem`] there is, not only the first.
    pub fn read(flags: &Flags) -> Result<Self, Vec<ConfigProblem>> {
        let (sources, places, problems) = Sources::read(flags);
        let flags = &sources.merged;
        let mut reader = Reader::new(problems, places);
        let host = reader.host(flags);
        let mut config = Self {
            listen: reader.listen(flags, host),
            tls: reader.tls(flags),
            upstream: reader.upstream(flags),
            tokens: reader.tokens(flags),
            signing: reader.signing(flags, host),
            terms: reader.terms(flags, host),
            enrolment: reader.enrolment(flags, host),
            cors: reader.cors(flags),
            log: reader.log(flags),
            limits: reader.limits(flags),
            budgets: reader.budgets(flags),
            batches_and_files: reader.batches_and_files(flags),
            stores: reader.stores(flags),
            admin: reader.admin(flags),
            trusted_proxies: reader.networks("TRUSTED_PROXIES", flags.trusted_proxies.as_deref()),
            leaks: reader.leaks(flags),
            prices: reader.prices(flags),
            otlp: reader.otlp(flags),
            sentry: reader.sentry(flags),
            sources,
        };
        reader.two_listeners(config.listen.address, config.admin.address);
        let warnings = warnings::of(&config);
        config.sources.warnings.extend(warnings);
        reader.finish(config)
    }

    /// What is not wrong and still should be said.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigProblem] {
        &self.sources.warnings
    }
}

/// Whether only this machine can connect.
fn is_local(host: IpAddr) -> bool {
    host.is_loopback()
}

#[cfg(test)]
mod tests;
