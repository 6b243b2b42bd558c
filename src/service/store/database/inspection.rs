//! Looks at a database without creating or changing it, for the commands that check an installation.

use std::str::FromStr;

use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyConnection, Connection, Executor, Row};

use super::error::StoreError;
use super::{address, postgres, schema, sqlite};
use crate::service::store::database::DatabaseUrl;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseInspection {
    /// No file; a start creates it.
    Missing,
    /// No tables; a start creates them.
    Empty,
    Tables {
        found: i64,
        /// The version of this program; a start brings older tables up to it.
        wanted: i64,
    },
}

/// Whether `url` describes a connection. Does not connect.
pub fn check_url(url: &DatabaseUrl) -> Result<(), StoreError> {
    let parsed = match url {
        DatabaseUrl::Sqlite(_) => AnyConnectOptions::from_str(&address(url)).map(drop),
        DatabaseUrl::Postgres(address) => PgConnectOptions::from_str(address.expose()).map(drop),
    };
    parsed.map_err(StoreError::Address)
}

/// The errors are those that a start would meet.
pub async fn inspect(url: &DatabaseUrl) -> Result<DatabaseInspection, StoreError> {
    install_default_drivers();
    let (address, has_tables) = match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => return Ok(DatabaseInspection::Missing),
        DatabaseUrl::Sqlite(path) => (format!("{}?mode=ro", sqlite::address(path)), sqlite::HAS_TABLES),
        DatabaseUrl::Postgres(_) => (address(url), postgres::HAS_TABLES),
    };
    let mut connection = AnyConnection::connect(&address).await?;
    let tables: i64 = connection.fetch_one(has_tables).await?.try_get(0)?;
    if tables == 0 {
        return Ok(DatabaseInspection::Empty);
    }
    let row = connection.fetch_one(VERSIONS).await?;
    let (found, broken): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    // The outcome does not matter: the connection has served.
    let _ = connection.close().await;
    let wanted = schema::version();
    if found > wanted {
        return Err(StoreError::Newer { version: found });
    }
    if broken > 0 {
        return Err(StoreError::Schema { version: broken, source: Box::new(MigrateError::Dirty(broken)) });
    }
    Ok(DatabaseInspection::Tables { found, wanted })
}

/// The newest migration, and the newest unfinished one; both 0 if there is none.
const VERSIONS: &str = "SELECT COALESCE(MAX(version), 0), \
    COALESCE(MAX(CASE WHEN success THEN 0 ELSE version END), 0) FROM _sqlx_migrations";
