//! The database: devices, usage, revocations, budgets, the audit trail and who owns what upstream, in SQLite or PostgreSQL.
//!
//! One SQL text serves both. Nothing on a request's way waits for it but tokens, batches, files and what names a file: usage
//! goes through the [`UsageWriter`], and what decides about requests is a copy in memory that polls
//! [`Revocations::revision`], [`Devices::revision`] and [`StoredBudgets::revision`].

mod audit;
mod budgets;
mod change;
mod column;
mod device_keys;
mod devices;
mod error;
mod identifier;
mod inspection;
mod millis;
mod owned;
mod page;
mod postgres;
mod revision;
mod revocations;
mod row_insert;
mod schema;
mod sqlite;
mod statement;
mod usage;
mod writer;

use std::time::{Duration, SystemTime};

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};

pub use self::audit::{Audit, AuditEntry, NewAuditEntry, Outcome};
pub use self::budgets::{Budget, StoredBudgets};
pub use self::change::{Change, PatchedDevice};
pub use self::device_keys::DeviceKeyTable;
pub use self::devices::{Device, DeviceFilter, DevicePatch, DeviceState, Devices, Seen};
pub use self::error::StoreError;
pub use self::inspection::{Inspection, check_url, inspect};
pub use self::owned::{ObjectKind, OwnedObject, OwnedObjects, OwnedPage, PageStart};
pub use self::page::{Page, PageRequest};
pub use self::revocations::{NewRevocation, Revocation, RevocationKind, Revocations};
pub use self::usage::{Costs, Totals, TotalsBy, UsageFilter, UsageHistory, UsageRow};
pub use self::writer::{StartWriterError, UsageCounters, UsageWriter, WriterSettings};
use std::path::PathBuf;

use crate::secret::Secret;

/// A database.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// PostgreSQL; the URL may hold a password.
    Postgres(Secret),
}

/// Connections to the database. Clones share them. They belong to the runtime that opened them; a thread with a runtime
/// of its own takes [`Database::separate`].
#[derive(Clone)]
pub struct Database {
    pool: AnyPool,
    url: DatabaseUrl,
}

impl Database {
    /// Connects, makes the database if it is a file that does not exist, and brings its tables up to date. Several
    /// instances may do so at once.
    ///
    /// # Errors
    /// [`StoreError`]: also when what is there is damaged, or belongs to a newer version.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        let database = Self::connect_later(url, CONNECTIONS, PATIENCE)?;
        match tokio::time::timeout(CONNECT_LIMIT, prepare(url)).await {
            Ok(prepared) => prepared?,
            Err(_) => return Err(StoreError::Unreachable(sqlx::Error::PoolTimedOut)),
        }
        schema::bring_up_to_date(&database).await?;
        Ok(database)
    }

    /// The same database over one connection of its own, made when it is first needed. A lock is waited for `patience`
    /// long.
    ///
    /// # Errors
    /// [`StoreError::Address`], which [`Database::open`] would have found.
    pub fn separate(&self, patience: Duration) -> Result<Self, StoreError> {
        Self::connect_later(&self.url, 1, patience)
    }

    /// What is known of each device, and what an administrator said of it.
    #[must_use]
    pub fn devices(&self) -> Devices {
        Devices::new(self.clone())
    }

    /// The keys that devices have proved.
    #[must_use]
    pub fn device_keys(&self) -> DeviceKeyTable {
        DeviceKeyTable::new(self.clone())
    }

    /// Every relayed request.
    #[must_use]
    pub fn usage(&self) -> UsageHistory {
        UsageHistory::new(self.clone())
    }

    /// Who is shut out.
    #[must_use]
    pub fn revocations(&self) -> Revocations {
        Revocations::new(self.clone())
    }

    /// What single users and organisations may spend.
    #[must_use]
    pub fn budgets(&self) -> StoredBudgets {
        StoredBudgets::new(self.clone())
    }

    /// What devices have upstream.
    #[must_use]
    pub fn owned_objects(&self) -> OwnedObjects {
        OwnedObjects::new(self.clone())
    }

    /// Who did what as an administrator.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::new(self.clone())
    }

    /// Begins a change by an administrator, which will leave `entry` in the audit trail.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn change(&self, entry: &NewAuditEntry, now: SystemTime) -> Result<Change, StoreError> {
        Change::begin(self, entry, now).await
    }

    /// Whether both share their connections.
    #[must_use]
    pub(crate) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.pool.connect_options().as_ref(), other.pool.connect_options().as_ref())
    }

    /// Asks the database whether it is there.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.pool.execute("SELECT 1").await?;
        Ok(())
    }

    /// Closes the connections. Clones cannot be used any more.
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
            // A full disk makes SQLite end a transaction by itself, and the driver then takes the connection for one that is
            // still in it, for ever. Only after an error is one given back like that.
            .after_release(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .connect_lazy(&address)
            .map_err(StoreError::Address)?;
        Ok(Self { pool, url: url.clone() })
    }

    /// A transaction that writes. SQLite must be told at once: a reader that becomes a writer is refused without a wait.
    async fn write(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begun = match self.url {
            DatabaseUrl::Sqlite(_) => self.pool.begin_with("BEGIN IMMEDIATE").await,
            DatabaseUrl::Postgres(_) => self.pool.begin().await,
        };
        Ok(begun?)
    }
}

/// Connects once and leaves again: a pool would try for long and then say only that it had waited in vain.
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
/// How long a start waits, the look over the file included.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// How long a caller waits for a connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);
