//! The database: devices, usage, revocations, budgets, the audit trail and the owners of what the upstream keeps, in
//! SQLite or PostgreSQL.
//!
//! One SQL text serves both (`docs/decisions/0004-one-store-two-databases.md`). On a request's path only tokens,
//! batches, files, and requests that name messages, containers or files wait for the database: usage goes through the
//! [`UsageWriter`], and requests are judged by a copy in memory that polls [`RevocationTable::revision`],
//! [`DeviceTable::revision`] and [`BudgetTable::revision`].

mod audit;
mod budgets;
mod change;
mod column;
mod database_url;
mod device_keys;
mod devices;
mod error;
mod identifier;
mod inspection;
mod millis;
mod owned;
mod page;
mod postgres;
mod references;
mod revision;
mod revocations;
mod row_insert;
mod schema;
mod sqlite;
mod statement;
mod usage;
mod writer;

use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};

pub use self::audit::{Audit, AuditEntry, AuditOutcome, NewAuditEntry};
pub use self::budgets::{Budget, BudgetTable};
pub use self::change::{Change, PatchedDevice};
pub use self::device_keys::DeviceKeyTable;
pub use self::devices::{Device, DeviceActivity, DeviceChanges, DeviceFilter, DevicePatch, DeviceState, DeviceTable};
pub use self::error::StoreError;
pub use self::inspection::{DatabaseInspection, check_url, inspect};
pub use self::owned::{ObjectKind, OwnedObject, OwnedObjects, OwnedPage, PageStart};
pub use self::page::{Page, PageRequest};
pub use self::references::OwnedReferences;
pub use self::revocations::{NewRevocation, Revocation, RevocationKind, RevocationTable};
pub use self::usage::{Costs, Totals, TotalsBy, UsageFilter, UsageHistory, UsageRow};
pub use self::writer::{StartWriterError, UsageCounters, UsageWriter, WriterSettings, files_with_usage, spill_beside};

pub use self::database_url::DatabaseUrl;

/// Clones share their connections. These belong to the runtime that opened them; a thread with its own runtime takes
/// [`Database::separate`].
#[derive(Clone)]
pub struct Database {
    pool: AnyPool,
    url: DatabaseUrl,
}

impl Database {
    /// Connects, creates the file of a SQLite database if there is none, and brings the tables up to date. Several
    /// instances may do so at once. A damaged database and one of a newer version are errors.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let database = Self::connect_later(url, CONNECTIONS, PATIENCE)?;
        match tokio::time::timeout(CONNECT_LIMIT, prepare(url)).await {
            Ok(prepared) => prepared?,
            Err(_) => return Err(StoreError::Unreachable(sqlx::Error::PoolTimedOut)),
        }
        schema::bring_up_to_date(database.write().await?, url).await?;
        Ok(database)
    }

    /// The same database over one connection of its own, made when it is first needed. `patience` limits the wait for a
    /// lock.
    pub fn separate(&self, patience: Duration) -> Result<Self, StoreError> {
        Self::connect_later(&self.url, 1, patience)
    }

    /// Whether both are clones, which share their connections.
    pub(crate) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.pool.connect_options().as_ref(), other.pool.connect_options().as_ref())
    }

    pub async fn ping(&self) -> Result<(), StoreError> {
        self.pool.execute("SELECT 1").await?;
        Ok(())
    }

    /// Clones cannot be used after this.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn connect_later(url: &DatabaseUrl, connections: u32, patience: Duration) -> Result<Self, StoreError> {
        install_default_drivers();
        let (address, greeting) = (address(url), greeting(url, patience));
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_LIMIT)
            .after_connect(move |connection, _| {
                let greeting = greeting.clone();
                Box::pin(async move { connection.execute(greeting.as_str()).await.map(|_| ()) })
            })
            // A full disk makes SQLite end a transaction by itself, but the driver counts the connection as inside it
            // for ever. Only after an error does a connection come back like that.
            .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_lazy(&address)
            .map_err(StoreError::Address)?;
        Ok(Self { pool, url: url.clone() })
    }

    /// A transaction that writes. SQLite must know at the beginning: it refuses a reader that becomes a writer, without
    /// a wait.
    async fn write(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begun = match self.url {
            DatabaseUrl::Sqlite(_) => self.pool.begin_with("BEGIN IMMEDIATE").await,
            DatabaseUrl::Postgres(_) => self.pool.begin().await,
        };
        Ok(begun?)
    }
}

/// Connects once and disconnects: a pool would try for long and then report only a timeout.
async fn prepare(url: &DatabaseUrl) -> Result<(), StoreError> {
    if let DatabaseUrl::Sqlite(path) = url {
        sqlite::create(path)?;
    }
    let mut connection = AnyConnection::connect(&address(url)).await?;
    connection.execute(greeting(url, PATIENCE).as_str()).await?;
    if let DatabaseUrl::Sqlite(path) = url {
        sqlite::prepare(&mut connection, path).await?;
    }
    Ok(connection.close().await?)
}

fn address(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => sqlite::address(path),
        DatabaseUrl::Postgres(address) => address.expose().to_owned(),
    }
}

fn greeting(url: &DatabaseUrl, patience: Duration) -> String {
    match url {
        DatabaseUrl::Sqlite(_) => sqlite::greeting(patience),
        DatabaseUrl::Postgres(_) => postgres::greeting(patience),
    }
}

/// Enough for an administrator and a few pollers.
const CONNECTIONS: u32 = 4;
/// How long a statement waits for a lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a start waits, the check of the file included.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// How long a caller waits for a connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);
