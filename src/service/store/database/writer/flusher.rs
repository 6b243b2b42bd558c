//! The flusher behind the queue: writes batches to the database, or to the disk while the database does not take them.
//! It ends when the queue is closed and empty.

mod disk;
mod take_back;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::queue::{BATCH, RecordQueue};
use super::spill::Spill;
use crate::clock::Clock;
use crate::service::store::database::{Database, StoreError, UsageRow};

pub(super) struct Flusher {
    queue: Arc<RecordQueue>,
    database: Database,
    spill: Spill,
    clock: Arc<dyn Clock>,
    /// Rows that neither the database nor the disk has taken yet.
    left: Vec<UsageRow>,
    trouble: Option<Outage>,
    /// The disk failed the last time, and the log says so.
    disk_fails: bool,
    /// When the disk is asked for room next, while requests are refused.
    ask_disk: Instant,
}

/// The wait while the database does not take records.
struct Outage {
    retry: Instant,
    pause: Duration,
}

enum FlushError {
    Store(StoreError),
    /// The database did not answer in time.
    Silence,
    /// Rows that the database refused cannot be put aside.
    Disk(io::Error),
}

impl Flusher {
    pub(super) fn new(
        queue: Arc<RecordQueue>,
        database: &Database,
        spill: Spill,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let database = database.separate(PATIENCE)?;
        let ask_disk = Instant::now();
        Ok(Self { queue, database, spill, clock, left: Vec::new(), trouble: None, disk_fails: false, ask_disk })
    }

    pub(super) async fn run(mut self) {
        // Ends the queue also when this panics.
        let _end = FlusherGuard(Arc::clone(&self.queue));
        loop {
            self.queue.entries.due(self.next_attempt()).await;
            let closed = self.queue.entries.closed();
            if closed.is_some_and(|limit| Instant::now() >= limit) {
                self.set_down();
                break;
            }
            self.turn().await;
            let empty = self.left.is_empty() && self.queue.entries.len() == 0;
            if closed.is_some() && empty && (self.spill.is_empty() || self.trouble.is_some()) {
                break;
            }
            if self.trouble.is_some() && !self.left.is_empty() {
                // The disk fails too, and an attempt at once would only keep both busy.
                sleep(PAUSE).await;
            }
        }
        // A connection that hangs is left to the end of the process.
        let _ = timeout(PATIENCE, self.database.close()).await;
    }

    /// Writes one batch of the queue and one spilled batch.
    async fn turn(&mut self) {
        self.look_for_room();
        let mut batch = std::mem::take(&mut self.left);
        batch.extend(self.queue.take(BATCH.saturating_sub(batch.len())));
        self.left = batch.split_off(batch.len().min(BATCH));
        if !self.may_try() {
            batch.append(&mut self.left);
            self.put_down(batch);
            return;
        }
        if !batch.is_empty() {
            self.write_batch(batch).await;
        }
        if self.queue.waited() > PATIENCE {
            // Records come faster than the database takes them.
            self.spill_queue();
        }
        if self.trouble.is_none() || (self.may_try() && self.queue.entries.closed().is_none()) {
            self.take_back().await;
        }
    }

    async fn write_batch(&mut self, mut batch: Vec<UsageRow>) {
        let (written, spilled) = self.write(&batch, 0).await;
        let in_memory = batch.split_off(spilled);
        match written {
            // What was spilled meanwhile is counted when it comes back.
            Ok(()) => self.queue.release(in_memory.len(), |counters, rows| counters.written += rows),
            Err(why) => {
                self.note(&why);
                self.put_down(in_memory);
            }
        }
    }

    /// Writes rows, of which the first `spilled` are on the disk, and waits for the outcome. If that takes long, all
    /// records in memory go to the disk; the second value says how many of `rows` are there then.
    async fn write(&mut self, rows: &[UsageRow], mut spilled: usize) -> (Result<(), FlushError>, usize) {
        let usage = self.database.usage();
        let mut insert = pin!(usage.insert(rows, self.clock.now()));
        let started = Instant::now();
        let result = loop {
            tokio::select! {
                result = &mut insert => break result.map_err(FlushError::Store),
                () = sleep(PATIENCE) => {}
            }
            self.look_for_room();
            if spilled < rows.len() {
                spilled += self.spill(&rows[spilled..]);
            }
            self.spill_queue();
            let late = self.queue.entries.closed().is_some_and(|limit| Instant::now() >= limit);
            if (late && spilled == rows.len()) || started.elapsed() > WRITE_LIMIT {
                break Err(FlushError::Silence);
            }
        };
        match result {
            Ok(()) => self.recovered(),
            Err(FlushError::Silence) => self.reconnect(),
            Err(FlushError::Store(_) | FlushError::Disk(_)) => {}
        }
        (result, spilled)
    }

    /// A connection in the middle of a statement cannot be used for another statement.
    fn reconnect(&mut self) {
        if let Ok(database) = self.database.separate(PATIENCE) {
            self.database = database;
        }
    }

    fn note(&mut self, why: &FlushError) {
        if self.trouble.is_none() {
            match why {
                FlushError::Store(error) => {
                    tracing::warn!(%error, "Usage records go to the disk until the database works");
                }
                FlushError::Disk(error) => tracing::warn!(%error, "Cannot put refused usage records aside"),
                FlushError::Silence => tracing::warn!("Usage records go to the disk until the database answers"),
            }
        }
        self.wait_longer();
    }

    fn wait_longer(&mut self) {
        let pause = self.trouble.as_ref().map_or(FIRST_PAUSE, |trouble| (trouble.pause * 2).min(LONGEST_PAUSE));
        self.trouble = Some(Outage { retry: Instant::now() + pause, pause });
    }

    fn recovered(&mut self) {
        // While the database takes records the disk is not needed.
        self.disk_works();
        if self.trouble.take().is_some() {
            tracing::info!("The database takes usage records again");
        }
    }

    fn may_try(&self) -> bool {
        self.trouble
            .as_ref()
            .is_none_or(|trouble| Instant::now() >= trouble.retry || self.queue.entries.closed().is_some())
    }

    /// When to act even if no record comes.
    fn next_attempt(&self) -> Option<Instant> {
        let pending = !self.spill.is_empty() || !self.left.is_empty();
        let retry = pending.then(|| self.trouble.as_ref().map_or_else(Instant::now, |trouble| trouble.retry));
        let ask_disk = (!self.queue.has_room()).then_some(self.ask_disk);
        retry.into_iter().chain(ask_disk).min()
    }
}

/// Tells the queue that the flusher has ended.
struct FlusherGuard(Arc<RecordQueue>);

impl Drop for FlusherGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// How long records may be only in memory while the database is busy with others. Together with the time for gathering
/// it is under a second.
const PATIENCE: Duration = Duration::from_millis(500);
/// A write that takes longer has failed.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The pause between attempts while records can go nowhere.
const PAUSE: Duration = Duration::from_millis(100);
