//! Brings usage records into the database without letting a request wait for it.
//!
//! Records go through a queue in memory to a thread that writes them in batches. While the database is locked, slow or
//! away, they go to a spill file and come back when it works again, also at the next start. So a killed process loses
//! only what was queued in the last second. Records that find neither database nor disk go to a reserve on the disk, and
//! when that is used up they wait in memory; beyond a limit they are counted as lost and logged.

mod flusher;
mod metrics;
mod queue;
mod reserve;
mod spill;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::time::Instant;

use self::flusher::Flusher;
pub use self::queue::UsageCounters;
use self::queue::{QueuedRecord, RecordQueue};
use self::spill::Spill;
pub use self::spill::files_with_usage;
use super::{Database, StoreError};
use crate::clock::Clock;
use crate::lock::lock;
use crate::service::meter::money::MicroDollars;
use crate::service::meter::usage::{UsageRecord, UsageSink};
use crate::service::store::database::DatabaseUrl;

pub struct UsageWriter {
    queue: Arc<RecordQueue>,
    clock: Arc<dyn Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterSettings {
    /// The folder for records that the database does not take.
    pub spill: PathBuf,
    /// The most records in memory.
    pub most_waiting: usize,
    /// Bytes on the disk that are kept for records that come when the disk is full.
    pub reserve: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum StartWriterError {
    #[error("cannot use {}, the folder for usage that the database does not take: {source}", path.display())]
    Spill { path: PathBuf, source: io::Error },
    /// The system gave no thread or no event queue.
    #[error("cannot start the usage writer: {0}")]
    Thread(#[source] io::Error),
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl WriterSettings {
    /// The usual settings, with this folder.
    pub fn spilling_to(folder: PathBuf) -> Self {
        Self { spill: folder, most_waiting: MOST_WAITING, reserve: RESERVE }
    }
}

/// The folder of the spill where none is set: beside the database file. For a server it is in the working folder and
/// named after the server and the database, because the records of one database are of no use to another.
pub fn spill_beside(database: &DatabaseUrl) -> PathBuf {
    let mut folder = match database {
        DatabaseUrl::Sqlite(path) => path.clone().into_os_string(),
        DatabaseUrl::Postgres(url) => OsString::from(format!("valetkey-{}", name_of(url.expose()))),
    };
    folder.push(".usage-spill");
    folder.into()
}

impl UsageWriter {
    /// The thread has its own connection to `database`.
    pub fn start(
        database: &Database,
        settings: WriterSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartWriterError> {
        let queue = Arc::new(RecordQueue::new(settings.most_waiting));
        let spill = Spill::open(&settings.spill, settings.reserve, Arc::clone(&clock))
            .map_err(|source| StartWriterError::Spill { path: settings.spill, source })?;
        queue.count(|counters| counters.spilled = spill.rows());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartWriterError::Thread)?;
        let flusher = {
            let _inside = runtime.enter(); // the connection belongs to this runtime
            Flusher::new(Arc::clone(&queue), database, spill, Arc::clone(&clock))?
        };
        let run = move || {
            runtime.block_on(flusher.run());
            // A statement that the network swallowed must not hold up the end.
            runtime.shutdown_background();
        };
        let thread =
            std::thread::Builder::new().name("usage-writer".into()).spawn(run).map_err(StartWriterError::Thread)?;
        Ok(Self { queue, clock, thread: Mutex::new(Some(thread)) })
    }

    /// `cost_microusd` is the price in millionths of a US dollar. Never blocks.
    pub fn keep(&self, record: impl Into<Arc<UsageRecord>>, cost_microusd: Option<u64>) {
        let (finished_at, since) = (self.clock.now(), Instant::now());
        self.queue.push(QueuedRecord { record: record.into(), finished_at, cost_microusd, since });
    }

    pub fn counters(&self) -> UsageCounters {
        self.queue.counters()
    }

    /// Whether neither the database nor the disk takes records, so that they wait in memory.
    pub fn is_spill_refused(&self) -> bool {
        self.queue.is_spill_refused()
    }

    /// Whether records of further requests can be kept: in the database, on the disk, or in the first half of the reserve.
    pub fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    /// Writes the queued records, or spills them if the database does not take them, and ends the thread. Waits for
    /// `limit` at most; records that the counters still call waiting then are only in memory.
    pub fn close(&self, limit: Duration) -> UsageCounters {
        if self.queue.entries.close(limit) {
            let thread = lock(&self.thread).take();
            // The thread has nothing left to do, so this does not wait. Its panic was logged.
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

/// A short hash of the server and the database. The user, the password and the options may change.
fn name_of(url: &str) -> String {
    let place = url::Url::parse(url).map_or_else(
        |_| url.to_owned(),
        |url| format!("{}:{}{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(5432), url.path()),
    );
    let hash = digest(&SHA256, place.as_bytes());
    hash.as_ref().first_chunk().map_or_else(String::new, |first| format!("{:08x}", u32::from_be_bytes(*first)))
}

/// These take about 50 MB.
const MOST_WAITING: usize = 100_000;

/// About 10,000 records.
const RESERVE: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn each_database_has_a_folder_of_its_own_for_all_its_users() {
        let folder = |url: &str| spill_beside(&DatabaseUrl::Postgres(Secret::new(url)));
        let usual = folder("postgres://valetkey:secret@db.example/valetkey");
        assert_eq!(usual, folder("postgres://other:changed@db.example:5432/valetkey?sslmode=verify-full"));
        for other in
            ["postgres://db.example/other", "postgres://db2.example/valetkey", "postgres://db.example:5433/valetkey"]
        {
            assert_ne!(usual, folder(other), "{other}");
        }
    }
}
