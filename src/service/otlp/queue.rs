//! Records on their way from requests to the thread that sends them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::service::usage::UsageRecord;

/// What has become of what was to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OtlpCounters {
    /// Records in memory now.
    pub waiting: u64,
    /// Spans that the collector has taken.
    pub exported: u64,
    /// Spans that it has not taken.
    pub lost: u64,
    /// Records for which there was no room; they are in neither traces nor metrics.
    pub dropped: u64,
}

/// A record that has ended.
pub(super) struct Finished {
    pub(super) record: Arc<UsageRecord>,
    pub(super) at: SystemTime,
}

/// Between many threads that push and one that takes.
pub(super) struct Queue {
    state: Mutex<State>,
    most: usize,
    gather: Duration,
    /// For the exporter: there is something to do.
    wake: Notify,
    /// For [`close`](Self::close): the exporter has ended.
    over: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Finished>,
    /// Taken by the exporter and in memory all the same.
    held: usize,
    counters: OtlpCounters,
    /// Nothing comes any more; until when to send.
    closed: Option<Instant>,
    ended: bool,
}

impl Queue {
    pub(super) fn new(most: usize, gather: Duration) -> Self {
        Self { state: Mutex::default(), most, gather, wake: Notify::new(), over: Condvar::new() }
    }

    /// Takes a record, or counts it as dropped when too many wait.
    pub(super) fn push(&self, finished: Finished) {
        let mut state = self.lock();
        if state.closed.is_some() || state.waiting.len() + state.held >= self.most {
            state.counters.dropped += 1;
            return;
        }
        state.waiting.push(finished);
        let waiting = state.waiting.len();
        drop(state);
        // Waking for each costs more than the record.
        if waiting == 1 || waiting == BATCH {
            self.wake.notify_one();
        }
    }

    /// Waits until something is to be done: records have gathered for a while, a batch is full, the queue was closed, or
    /// `until` has come.
    pub(super) async fn due(&self, until: Instant) {
        let mut limit = until;
        let mut gathering = false;
        loop {
            let (waiting, closed) = self.look();
            if closed || waiting >= BATCH {
                return;
            }
            if waiting > 0 && !gathering {
                gathering = true;
                limit = limit.min(Instant::now() + self.gather);
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(limit) => return,
            }
        }
    }

    /// Waits until the queue is closed; until when to send.
    pub(super) async fn closing(&self) -> Instant {
        loop {
            if let Some(limit) = self.closed() {
                return limit;
            }
            self.wake.notified().await;
        }
    }

    /// Until when to send, once the queue was closed.
    pub(super) fn closed(&self) -> Option<Instant> {
        self.lock().closed
    }

    /// Moves all records to the exporter, which holds them from now on.
    pub(super) fn take(&self) -> Vec<Finished> {
        let mut state = self.lock();
        let taken = std::mem::take(&mut state.waiting);
        state.held += taken.len();
        taken
    }

    /// The exporter is done with `records`; `count` says how it went.
    pub(super) fn release(&self, records: usize, count: impl FnOnce(&mut OtlpCounters)) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(records);
        count(&mut state.counters);
    }

    pub(super) fn counters(&self) -> OtlpCounters {
        let state = self.lock();
        OtlpCounters { waiting: (state.waiting.len() + state.held) as u64, ..state.counters }
    }

    /// Says that nothing more comes and waits for the exporter's end, up to `limit`. Whether it has ended.
    pub(super) fn close(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        // Sending gets most of it; the rest is for giving up in order.
        state.closed.get_or_insert_with(|| Instant::now() + limit * 3 / 4);
        self.wake.notify_one();
        let waited = self.over.wait_timeout_while(state, limit, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// The exporter has ended; nobody sends what is still here.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        let left = std::mem::take(&mut state.waiting).len() + std::mem::take(&mut state.held);
        state.counters.dropped += left as u64;
        state.closed.get_or_insert_with(Instant::now);
        state.ended = true;
        drop(state);
        self.over.notify_all();
    }

    fn look(&self) -> (usize, bool) {
        let state = self.lock();
        (state.waiting.len(), state.closed.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many records are sent together.
pub(super) const BATCH: usize = 512;
