//! Brings usage records into the database without letting a request wait for it.
//!
//! Records go through a queue in memory to a thread that writes them in batches. While the database is locked, slow or
//! away they go to a spill file instead, and come back when it works again, also at the next start: so a process that is
//! killed loses what the last second queued and no more. What finds neither database nor disk waits in memory, and
//! beyond a limit is counted as lost and logged.

mod keeper;
mod queue;
mod spill;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::time::Instant;

use self::keeper::Keeper;
pub use self::queue::UsageCounters;
use self::queue::{Entry, Queue};
use self::spill::Spill;
use super::{Database, StoreError};
use crate::clock::Clock;
use crate::service::meter::money::MicroDollars;
use crate::service::meter::usage::{UsageRecord, UsageSink};
use crate::service::store::database::DatabaseUrl;

/// Takes usage records on behalf of the database.
pub struct UsageWriter {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where and how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterSettings {
    /// The folder for what the database does not take.
    pub spill: PathBuf,
    /// How many records may be in memory.
    pub most_waiting: usize,
}

/// Why there is no writer.
#[derive(Debug, thiserror::Error)]
pub enum StartWriterError {
    /// The folder for spilled records cannot be made or read.
    #[error("cannot use {}, the folder for usage that the database does not take: {source}", path.display())]
    Spill {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system gave no thread or no event queue.
    #[error("cannot start the usage writer: {0}")]
    Thread(#[source] io::Error),
    /// No connection can be described.
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl WriterSettings {
    /// A folder beside the database file, or in the working folder when the database is a server; then it is named after
    /// that server and database, because what one did not take is nothing for another.
    #[must_use]
    pub fn beside(database: &DatabaseUrl) -> Self {
        let mut folder = match database {
            DatabaseUrl::Sqlite(path) => path.clone().into_os_string(),
            DatabaseUrl::Postgres(url) => OsString::from(format!("valetkey-{}", name_of(url.expose()))),
        };
        folder.push(".usage-spill");
        Self { spill: folder.into(), most_waiting: MOST_WAITING }
    }
}

impl UsageWriter {
    /// Starts the thread. It has a connection of its own to `database`.
    ///
    /// # Errors
    /// [`StartWriterError`]
    pub fn start(
        database: &Database,
        settings: WriterSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartWriterError> {
        let queue = Arc::new(Queue::new(settings.most_waiting));
        let spill = Spill::open(&settings.spill, Arc::clone(&clock))
            .map_err(|source| StartWriterError::Spill { path: settings.spill, source })?;
        queue.count(|counters| counters.spilled = spill.rows());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartWriterError::Thread)?;
        let keeper = {
            let _inside = runtime.enter(); // the connection belongs to it
            Keeper::new(Arc::clone(&queue), database, spill)?
        };
        let run = move || {
            runtime.block_on(keeper.run());
            // A statement that the network swallowed must not hold up the end.
            runtime.shutdown_background();
        };
        let thread =
            std::thread::Builder::new().name("usage-writer".into()).spawn(run).map_err(StartWriterError::Thread)?;
        Ok(Self { queue, clock, thread: Mutex::new(Some(thread)) })
    }

    /// Takes a record and its price in millionths of a US dollar. Never waits for anything.
    pub fn keep(&self, record: impl Into<Arc<UsageRecord>>, cost_microusd: Option<u64>) {
        let (finished_at, since) = (self.clock.now(), Instant::now());
        self.queue.push(Entry { record: record.into(), finished_at, cost_microusd, since });
    }

    /// What has become of the records so far.
    #[must_use]
    pub fn counters(&self) -> UsageCounters {
        self.queue.counters()
    }

    /// Writes what is queued, or spills it when the database does not take it, and ends the thread. Waits for `limit` at
    /// most; what the counters still call waiting then is only in memory.
    pub fn close(&self, limit: Duration) -> UsageCounters {
        if self.queue.entries.close(limit) {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            // It has nothing left to do, so this does not wait. Its panic was logged.
            thread.map(JoinHandle::join);
        }
        self.counters()
    }
}

impl UsageSink for UsageWriter {
    fn record(&self, record: &Arc<UsageRecord>) {
        self.keep(Arc::clone(record), record.cost.map(MicroDollars::get));
    }
}

/// Without [`close`](UsageWriter::close) everything goes to the disk, soon.
impl Drop for UsageWriter {
    fn drop(&mut self) {
        self.queue.entries.close(Duration::ZERO);
    }
}

/// The server and the database in a few digits. Who connects, and how, may change.
fn name_of(url: &str) -> String {
    let place = url::Url::parse(url).map_or_else(
        |_| url.to_owned(),
        |url| format!("{}:{}{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(5432), url.path()),
    );
    let hash = digest(&SHA256, place.as_bytes());
    hash.as_ref().first_chunk().map_or_else(String::new, |first| format!("{:08x}", u32::from_be_bytes(*first)))
}

/// About 50 MB.
const MOST_WAITING: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn each_database_has_a_folder_of_its_own_whoever_connects() {
        let folder = |url: &str| WriterSettings::beside(&DatabaseUrl::Postgres(Secret::new(url))).spill;
        let usual = folder("postgres://valetkey:secret@db.example/valetkey");
        assert_eq!(usual, folder("postgres://other:changed@db.example:5432/valetkey?sslmode=verify-full"));
        for other in
            ["postgres://db.example/other", "postgres://db2.example/valetkey", "postgres://db.example:5433/valetkey"]
        {
            assert_ne!(usual, folder(other), "{other}");
        }
    }
}
