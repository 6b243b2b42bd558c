//! Settings of the database, of Redis, of the admin API and of prices.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Reader, ip_address, whole};
use crate::secret::Secret;
use crate::service::admin::api::AdminConfig;
use crate::service::base::text_file::TextFile;
use crate::service::config::settings::{self, Setting};
use crate::service::meter::prices::{PriceList, Prices};
use crate::service::store::database::{DatabaseUrl, spill_beside};
use crate::service::store::retention::RetentionConfig;
use crate::service::store::stores::Stores;
use crate::service::token::secret_strength::weakness;

impl Reader<'_> {
    pub(in crate::service::config) fn stores(&mut self) -> Stores {
        let redis = self.given(settings::REDIS_URL);
        let has_scheme = |url: &str| ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme));
        if redis.is_some_and(|url| !has_scheme(url)) {
            self.wrong(settings::REDIS_URL, "must begin with redis:// or rediss://");
        }
        let database = self.value(settings::DATABASE_URL, database);
        self.show(settings::DATABASE_URL, without_password(&database));
        let retention = RetentionConfig {
            usage: self.days(settings::USAGE_RETENTION_DAYS),
            audit: self.days(settings::AUDIT_RETENTION_DAYS),
        };
        let spill = self.given(settings::USAGE_SPILL_DIR).map_or_else(|| spill_beside(&database), PathBuf::from);
        self.show(settings::USAGE_SPILL_DIR, spill.display().to_string());
        let deployment = self.text(settings::TOKEN_ISSUER).into();
        Stores { database, spill, redis: redis.map(Secret::new), deployment, retention }
    }

    fn days(&mut self, setting: Setting) -> Option<Duration> {
        let days = self.number(setting, 0..=MOST_DAYS);
        (days > 0).then(|| Duration::from_secs(u64::from(days) * 24 * 3600))
    }

    pub(in crate::service::config) fn admin(&mut self) -> AdminConfig {
        let host = self.address(settings::ADMIN_HOST);
        let port = self.number(settings::ADMIN_PORT, 0..=u16::MAX);
        let token = self.given(settings::ADMIN_TOKEN);
        match token {
            Some(token) => {
                if let Some(weakness) = weakness(token) {
                    self.wrong(settings::ADMIN_TOKEN, format!("{weakness}; use at least 32 random bytes"));
                }
            }
            None if !host.is_loopback() => {
                self.wrong(settings::ADMIN_TOKEN, "is required when ADMIN_HOST is not loopback");
            }
            None => {}
        }
        AdminConfig {
            address: SocketAddr::new(host, port),
            metrics: self.metrics(host),
            token: token.map(Secret::new),
            max_staleness: self.millis(settings::REVOCATION_MAX_STALENESS),
        }
    }

    /// The address of the listener that serves metrics alone.
    fn metrics(&mut self, admin_host: IpAddr) -> Option<SocketAddr> {
        let host = self.optional(settings::METRICS_HOST, ip_address).unwrap_or(admin_host);
        self.show(settings::METRICS_HOST, host.to_string());
        let port = self.optional(settings::METRICS_PORT, |text| whole(text, &(0..=u16::MAX)))?;
        self.show(settings::METRICS_PORT, port);
        Some(SocketAddr::new(host, port))
    }

    pub(in crate::service::config) fn prices(&mut self) -> PriceList {
        let shipped = PriceList { table: Prices::shipped(), file: None };
        let Some(path) = self.given(settings::PRICES_FILE) else { return shipped };
        let file = match TextFile::read(Path::new(path)) {
            Ok(file) => file,
            Err(error) => {
                self.wrong(settings::PRICES_FILE, format!("{path} cannot be read: {error}"));
                return shipped;
            }
        };
        match shipped.table.with_file(file.content.expose()) {
            Ok(table) => PriceList { table, file: Some(file) },
            Err(faults) => {
                for fault in faults {
                    self.wrong(settings::PRICES_FILE, format!("{path}: {fault}"));
                }
                shipped
            }
        }
    }
}

/// The URL may hold a password, so a fault does not show it.
fn database(url: &str) -> Result<DatabaseUrl, String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(DatabaseUrl::Postgres(Secret::new(url)));
    }
    let fault = match sqlite_file(url) {
        None => "is neither sqlite:<file> nor postgres://…",
        Some(_) if url.contains('?') => "has something behind a ?; of SQLite only the file can be said",
        Some(":memory:") => "is in memory, where each connection would have a database of its own; name a file",
        Some(file) => return Ok(DatabaseUrl::Sqlite(PathBuf::from(file))),
    };
    Err(fault.to_owned())
}

fn without_password(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => format!("sqlite:{}", path.display()),
        DatabaseUrl::Postgres(_) => "postgres://…".to_owned(),
    }
}

/// The file in `sqlite:<file>` and `sqlite://<file>`. Another check refuses a `?`.
pub(super) fn sqlite_file(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?;
    path.strip_prefix("//").unwrap_or(path).split('?').next().filter(|path| !path.is_empty())
}

/// About a hundred years.
const MOST_DAYS: u32 = 36_500;
