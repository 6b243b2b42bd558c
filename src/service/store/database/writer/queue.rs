//! Usage records on their way from requests to the flusher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::service::base::batch_queue::{BatchQueue, BatchQueueLimits};
use crate::service::meter::usage::UsageRecord;
use crate::service::store::database::UsageRow;

/// The fates of usage records. Every record is in exactly one of the four.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageCounters {
    /// Records in memory now.
    pub waiting: u64,
    /// Written to the database since the start, spilled ones that came back included.
    pub written: u64,
    /// In spill files now, those of earlier starts included.
    pub spilled: u64,
    /// Neither the database nor the disk took them, or they cannot be read any more.
    pub lost: u64,
}

pub(super) struct QueuedRecord {
    pub(super) record: Arc<UsageRecord>,
    pub(super) finished_at: SystemTime,
    pub(super) cost_microusd: Option<u64>,
    /// When the record came into the queue.
    pub(super) since: Instant,
}

/// Counts of the records that are not in memory.
#[derive(Default)]
pub(super) struct RecordTally {
    counters: UsageCounters,
    /// Records are being lost, and the log says so.
    losing: bool,
    /// The disk does not take the records that the database does not take.
    spill_refused: bool,
}

pub(super) struct RecordQueue {
    pub(super) entries: BatchQueue<QueuedRecord, RecordTally>,
    most: usize,
    /// Whether records of further requests can be kept.
    has_room: AtomicBool,
}

impl RecordQueue {
    pub(super) fn new(most: usize) -> Self {
        let entries = BatchQueue::new(BatchQueueLimits { most, batch: BATCH, gather: GATHER });
        Self { entries, most, has_room: AtomicBool::new(true) }
    }

    /// Takes a record, or counts it as lost when too many wait.
    pub(super) fn push(&self, entry: QueuedRecord) {
        let lost = self.entries.push(entry, |tally| {
            tally.counters.lost += 1;
            !std::mem::replace(&mut tally.losing, true)
        });
        if lost == Some(true) {
            tracing::error!("Losing usage records: neither the database nor the disk takes them");
        }
    }

    /// Moves up to `most` records to the flusher, which holds them until [`release`](Self::release).
    pub(super) fn take(&self, most: usize) -> Vec<UsageRow> {
        let row = |entry: QueuedRecord| {
            UsageRow::of(Arc::unwrap_or_clone(entry.record), entry.finished_at, entry.cost_microusd)
        };
        self.entries.take(most).into_iter().map(row).collect()
    }

    /// Says that the flusher has put `rows` somewhere; `count` records where.
    pub(super) fn release(&self, rows: usize, count: impl FnOnce(&mut UsageCounters, u64)) {
        self.entries.release(rows, |tally, left| {
            count(&mut tally.counters, rows as u64);
            tally.losing &= left >= self.most / 2;
        });
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut UsageCounters)) {
        self.entries.count(|tally, _| change(&mut tally.counters));
    }

    pub(super) fn has_room(&self) -> bool {
        self.has_room.load(Ordering::Relaxed)
    }

    pub(super) fn set_room(&self, has_room: bool) {
        if self.has_room.swap(has_room, Ordering::Relaxed) && !has_room {
            tracing::error!("Requests are refused: their usage could not be kept");
        }
    }

    /// Says whether the disk refuses the records that the database does not take.
    pub(super) fn note_spill(&self, refused: bool) {
        self.entries.count(|tally, _| tally.spill_refused = refused);
    }

    pub(super) fn is_spill_refused(&self) -> bool {
        self.entries.count(|tally, _| tally.spill_refused)
    }

    pub(super) fn counters(&self) -> UsageCounters {
        self.entries.count(|tally, in_memory| UsageCounters { waiting: in_memory as u64, ..tally.counters })
    }

    /// How long the oldest record has waited here.
    pub(super) fn waited(&self) -> Duration {
        self.entries.oldest(|entry| entry.since.elapsed()).unwrap_or_default()
    }

    /// Says that the flusher has ended. Records that are still here are lost.
    pub(super) fn end(&self) {
        let left = self.entries.end(|tally, left| tally.counters.lost += left as u64);
        if left > 0 {
            tracing::error!(records = left, "Lost {left} usage records: neither the database nor the disk took them");
        }
    }
}

/// How many records are written together. A database writes each page that a batch touches once, and the records of one
/// device are adjacent in its index: the larger the batch, the less each record costs.
pub(super) const BATCH: usize = 2000;
/// How long records gather before they are written.
const GATHER: Duration = Duration::from_millis(250);
