//! Settings of limits, enrolment, stores and the admin API.

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::{DEFAULT_DATABASE, Reader, is_local, list, set, sqlite_file, weakness};
use crate::secret::Secret;
use crate::service::admin::api::AdminConfig;
use crate::service::config::Flags;
use crate::service::enrol::enrolment_limits::BootstrapLimits;
use crate::service::enrol::issuer::BootstrapMode;
use crate::service::govern::leak::{LeakConfig, LeakMode};
use crate::service::govern::limits::DeviceLimits;
use crate::service::relay::batches::BatchesAndFiles;
use crate::service::store::database::DatabaseUrl;
use crate::service::store::retention::RetentionConfig;
use crate::service::store::stores::Stores;

impl Reader {
    pub(in crate::service::config) fn limits(&mut self, flags: &Flags) -> DeviceLimits {
        let requests = self.number("RATE_LIMIT_MAX", flags.rate_limit_max.as_deref(), 100, 0, u32::MAX);
        let tokens = self.number("TOKENS_PER_MINUTE", flags.tokens_per_minute.as_deref(), 0, 0, u64::MAX >> 1);
        let concurrent = self.number("CONCURRENT_REQUESTS", flags.concurrent_requests.as_deref(), 0, 0, u32::MAX);
        DeviceLimits {
            requests: NonZeroU32::new(requests),
            window: self.millis("RATE_LIMIT_WINDOW", flags.rate_limit_window.as_deref(), 60_000),
            tokens_per_minute: NonZeroU64::new(tokens),
            concurrent: NonZeroU32::new(concurrent),
        }
    }

    pub(super) fn bootstrap_limits(&mut self, flags: &Flags) -> BootstrapLimits {
        let rate = self.number("BOOTSTRAP_RATE_MAX", flags.bootstrap_rate_max.as_deref(), 60, 0, u32::MAX);
        let new = flags.bootstrap_new_devices_per_hour.as_deref();
        let new = self.number("BOOTSTRAP_NEW_DEVICES_PER_HOUR", new, 0, 0, u32::MAX);
        BootstrapLimits { per_network: NonZeroU32::new(rate), new_devices: NonZeroU32::new(new) }
    }

    pub(in crate::service::config) fn batches_and_files(&mut self, flags: &Flags) -> BatchesAndFiles {
        let (batch, file) = (flags.max_batch_size.as_deref(), flags.max_file_size.as_deref());
        let choices = [("on", true), ("off", false)];
        let offered = self.choice("BATCHES_AND_FILES", flags.batches_and_files.as_deref(), &choices);
        BatchesAndFiles {
            offered: offered.unwrap_or(false),
            max_batch: self.number("MAX_BATCH_SIZE", batch, 256 << 20, 1, 1 << 40),
            max_file: self.number("MAX_FILE_SIZE", file, 500 << 20, 1, 1 << 40),
        }
    }

    pub(in crate::service::config) fn stores(&mut self, flags: &Flags) -> Stores {
        let redis = set(flags.redis_url.as_deref()).map(Secret::new);
        let has_scheme = |url: &Secret| ["redis://", "rediss://"].iter().any(|scheme| url.expose().starts_with(scheme));
        if redis.as_ref().is_some_and(|url| !has_scheme(url)) {
            self.wrong("REDIS_URL", "must begin with redis:// or rediss://".into());
        }
        Stores { database: self.database(flags), redis, retention: self.retention(flags) }
    }

    fn retention(&mut self, flags: &Flags) -> RetentionConfig {
        let usage = self.number("USAGE_RETENTION_DAYS", flags.usage_retention_days.as_deref(), 0, 0, MOST_DAYS);
        let audit = self.number("AUDIT_RETENTION_DAYS", flags.audit_retention_days.as_deref(), 0, 0, MOST_DAYS);
        let days = |days: u32| (days > 0).then(|| Duration::from_secs(u64::from(days) * 24 * 3600));
        RetentionConfig { usage: days(usage), audit: days(audit) }
    }

    fn database(&mut self, flags: &Flags) -> DatabaseUrl {
        let url = set(flags.database_url.as_deref()).unwrap_or(DEFAULT_DATABASE);
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return DatabaseUrl::Postgres(Secret::new(url));
        }
        // The URL may hold a password, so it is not shown.
        let fault = match sqlite_file(url) {
            None => "is neither sqlite:<file> nor postgres://…",
            Some(_) if url.contains('?') => "has something behind a ?; of SQLite only the file can be said",
            Some(":memory:") => "is in memory, where each connection would have a database of its own; name a file",
            Some(file) => return DatabaseUrl::Sqlite(PathBuf::from(file)),
        };
        self.wrong("DATABASE_URL", fault.into());
        DatabaseUrl::Sqlite(PathBuf::from("valetkey.db"))
    }

    pub(in crate::service::config) fn admin(&mut self, flags: &Flags) -> AdminConfig {
        let host = self.address("ADMIN_HOST", flags.admin_host.as_deref());
        let port = self.number("ADMIN_PORT", flags.admin_port.as_deref(), 3002, 0, u16::MAX);
        let token = set(flags.admin_token.as_deref());
        match token {
            Some(token) => {
                if let Some(weakness) = weakness(token) {
                    self.wrong("ADMIN_TOKEN", format!("{weakness}; use at least 32 random bytes"));
                }
            }
            None if !is_local(host) => self.wrong("ADMIN_TOKEN", "is required when ADMIN_HOST is not loopback".into()),
            None => {}
        }
        let staleness = flags.revocation_max_staleness.as_deref();
        AdminConfig {
            address: SocketAddr::new(host, port),
            token: token.map(Secret::new),
            max_staleness: self.millis("REVOCATION_MAX_STALENESS", staleness, 300_000),
        }
    }

    pub(in crate::service::config) fn leaks(&mut self, flags: &Flags) -> LeakConfig {
        let modes = [LeakMode::Off, LeakMode::Observe, LeakMode::Refresh, LeakMode::Revoke];
        let modes = modes.map(|mode| (mode.as_str(), mode));
        let mode = self.choice("LEAK_DETECTION", flags.leak_detection.as_deref(), &modes).unwrap_or(LeakMode::Observe);
        let is_closed = set(flags.bootstrap_mode.as_deref()) == Some(BootstrapMode::Closed.as_str());
        if mode == LeakMode::Refresh && is_closed {
            let message = "refresh makes devices ask /bootstrap for a new token, and BOOTSTRAP_MODE=closed gives none; \
                           use observe or revoke";
            self.wrong("LEAK_DETECTION", message.into());
        }
        let known_networks = self.networks("LEAK_KNOWN_NETWORKS", flags.leak_known_networks.as_deref());
        LeakConfig { mode, known_networks }
    }

    pub(in crate::service::config) fn networks(&mut self, variable: &'static str, value: Option<&str>) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for text in list(value) {
            match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => networks.push(network),
                Err(_) => self.wrong(variable, format!("{text:?} is neither an address nor a CIDR")),
            }
        }
        networks
    }
}

/// About a hundred years.
const MOST_DAYS: u32 = 36_500;
