//! Records on their way from requests to the thread that writes them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::service::store::UsageRow;
use crate::service::usage::UsageRecord;

/// What has become of usage records. Every record is in exactly one of the four.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageCounters {
    /// In memory now.
    pub waiting: u64,
    /// Written to the database since the start, spilled ones that came back included.
    pub written: u64,
    /// In spill files now, those of earlier starts included.
    pub spilled: u64,
    /// Gone: neither the database nor the disk took them, or they cannot be read any more.
    pub lost: u64,
}

/// A record that has ended.
pub(super) struct Entry {
    pub(super) record: Arc<UsageRecord>,
    pub(super) finished_at: SystemTime,
    pub(super) cost_microusd: Option<u64>,
    /// Since when it has been here.
    pub(super) since: Instant,
}

/// Between many threads that push and one that takes.
pub(super) struct Queue {
    state: Mutex<State>,
    most: usize,
    /// For the writer: there is something to do.
    wake: Notify,
    /// For [`close`](Self::close): the writer has ended.
    over: Condvar,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    /// Taken by the writer and in memory all the same.
    held: usize,
    counters: UsageCounters,
    /// Records are being lost, and the log knows.
    losing: bool,
    /// Nothing comes any more; until when to write.
    closed: Option<Instant>,
    ended: bool,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), most, wake: Notify::new(), over: Condvar::new() }
    }

    /// Takes a record, or counts it as lost when too many wait.
    pub(super) fn push(&self, entry: Entry) {
        let mut state = self.lock();
        if state.ended || state.entries.len() + state.held >= self.most {
            state.counters.lost += 1;
            let first = !std::mem::replace(&mut state.losing, true);
            drop(state);
            if first {
                tracing::error!("Losing usage records: neither the database nor the disk takes them");
            }
            return;
        }
        state.entries.push_back(entry);
        let waiting = state.entries.len();
        drop(state);
        // Waking for each costs more than the record.
        if waiting == 1 || waiting == BATCH {
            self.wake.notify_one();
        }
    }

    /// Waits until a batch is due: it is full, the oldest record has waited long enough, the queue was closed, or
    /// `until` has come.
    pub(super) async fn due(&self, until: Option<Instant>) {
        let mut limit = until;
        let mut gathering = false;
        loop {
            let (waiting, closed) = self.look();
            if closed || waiting >= BATCH {
                return;
            }
            if waiting > 0 && !gathering {
                gathering = true;
                let full = Instant::now() + GATHER;
                limit = Some(limit.map_or(full, |limit| limit.min(full)));
            }
            let timer = async {
                match limit {
                    Some(limit) => tokio::time::sleep_until(limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = timer => return,
            }
        }
    }

    /// Moves up to `most` records to the writer, which holds them from now on.
    pub(super) fn take(&self, most: usize) -> Vec<UsageRow> {
        let mut state = self.lock();
        let entries: VecDeque<_> = if state.entries.len() <= most {
            // Those who push wait meanwhile, so nothing is copied.
            std::mem::take(&mut state.entries)
        } else {
            state.entries.drain(..most).collect()
        };
        state.held += entries.len();
        drop(state);
        let row =
            |entry: Entry| UsageRow::of(Arc::unwrap_or_clone(entry.record), entry.finished_at, entry.cost_microusd);
        entries.into_iter().map(row).collect()
    }

    /// The writer has put `rows` somewhere; `count` says where.
    pub(super) fn release(&self, rows: usize, count: impl FnOnce(&mut UsageCounters, u64)) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(rows);
        count(&mut state.counters, rows as u64);
        if state.losing && state.entries.len() + state.held < self.most / 2 {
            state.losing = false;
        }
    }

    /// Changes what is counted.
    pub(super) fn count(&self, change: impl FnOnce(&mut UsageCounters)) {
        change(&mut self.lock().counters);
    }

    pub(super) fn counters(&self) -> UsageCounters {
        let state = self.lock();
        UsageCounters { waiting: (state.entries.len() + state.held) as u64, ..state.counters }
    }

    /// When writing must be over, once the queue was closed.
    pub(super) fn closed(&self) -> Option<Instant> {
        self.lock().closed
    }

    /// How long the oldest record has waited here.
    pub(super) fn waited(&self) -> Duration {
        self.lock().entries.front().map_or(Duration::ZERO, |entry| entry.since.elapsed())
    }

    /// How many records wait here.
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Says that nothing more comes and waits for the writer's end, up to `limit`. Whether it has ended.
    pub(super) fn close(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        // The writer gets most of it; the rest is for putting what is left on the disk.
        state.closed.get_or_insert_with(|| Instant::now() + limit * 3 / 4);
        self.wake.notify_one();
        let waited = self.over.wait_timeout_while(state, limit, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// The writer has ended, and whatever is still here is lost.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        let left = state.entries.len() + std::mem::take(&mut state.held);
        state.entries.clear();
        state.counters.lost += left as u64;
        state.ended = true;
        drop(state);
        self.over.notify_all();
        if left > 0 {
            tracing::error!(records = left, "Lost {left} usage records: neither the database nor the disk took them");
        }
    }

    fn look(&self) -> (usize, bool) {
        let state = self.lock();
        (state.entries.len(), state.closed.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many records are written together. A database writes each page that a batch touches once, and the records of one
/// device are next to each other in its index: the more records, the less each of them costs.
pub(super) const BATCH: usize = 2000;
/// How long records gather before they are written.
const GATHER: Duration = Duration::from_millis(250);
