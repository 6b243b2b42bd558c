//! Looks at a database without changing anything in it: it is neither made nor brought up to date.

use std::str::FromStr;

use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyConnection, Connection, Executor, Row};

use super::error::StoreError;
use super::{address, postgres, schema, sqlite};
use crate::service::store::database::DatabaseUrl;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspection {
    /// No file; a start makes it.
    Missing,
    /// No tables; a start makes them.
    Empty,
    /// Tables of this version.
    Tables {
        /// Their version.
        found: i64,
        /// The version that this program works with; a start brings older ones up to it.
        wanted: i64,
    },
}

/// Whether `url` says something that can be connected to. Nothing is connected.
///
/// # Errors
/// [`StoreError::Address`]
pub fn check_url(url: &DatabaseUrl) -> Result<(), StoreError> {
    let parsed = match url {
        DatabaseUrl::Sqlite(_) => AnyConnectOptions::from_str(&address(url)).map(drop),
        DatabaseUrl::Postgres(address) => PgConnectOptions::from_str(address.expose()).map(drop),
    };
    parsed.map_err(StoreError::Address)
}

/// Connects and looks.
///
/// # Errors
/// [`StoreError`]: as a start would find them.
pub async fn inspect(url: &DatabaseUrl) -> Result<Inspection, StoreError> {
    install_default_drivers();
    let (address, has_tables) = match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => return Ok(Inspection::Missing),
        DatabaseUrl::Sqlite(path) => (format!("{}?mode=ro", sqlite::address(path)), sqlite::HAS_TABLES),
        DatabaseUrl::Postgres(_) => (address(url), postgres::HAS_TABLES),
    };
    let mut connection = AnyConnection::connect(&address).await?;
    let tables: i64 = connection.fetch_one(has_tables).await?.try_get(0)?;
    if tables == 0 {
        return Ok(Inspection::Empty);
    }
    let row = connection.fetch_one(VERSIONS).await?;
    let (found, broken): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    // Whatever it says, it has nothing to do any more.
    let _ = connection.close().await;
    let wanted = schema::version();
    if found > wanted {
        return Err(StoreError::Newer { version: found });
    }
    if broken > 0 {
        return Err(StoreError::Schema { version: broken, source: Box::new(MigrateError::Dirty(broken)) });
    }
    Ok(Inspection::Tables { found, wanted })
}

/// The newest migration, and the newest that was not finished; both 0 if there is none.
const VERSIONS: &str = "SELECT COALESCE(MAX(version), 0), \
    COALESCE(MAX(CASE WHEN success THEN 0 ELSE version END), 0) FROM _sqlx_migrations";
