//! A bounded batching queue: many threads push items, one consumer takes them in batches. The usage writer and the OTLP
//! exporter are such consumers.
//!
//! Every item is in exactly one place at any moment: it waits here, the consumer holds it, or a count says what became
//! of it. A full or ended queue refuses items.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lock::{lock, unpoisoned};

/// Items on their way, and `Counts` of the finished ones.
pub(crate) struct BatchQueue<Thing, Counts> {
    state: Mutex<QueueState<Thing, Counts>>,
    limits: BatchQueueLimits,
    /// Wakes the consumer when it has work.
    wake: Notify,
    /// Tells [`close`](Self::close) that the consumer has ended.
    over: Condvar,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchQueueLimits {
    /// The most items in memory at once, those of the consumer included.
    pub most: usize,
    /// So many items are taken without waiting for more.
    pub batch: usize,
    /// How long fewer items wait for more.
    pub gather: Duration,
}

struct QueueState<Thing, Counts> {
    waiting: VecDeque<Thing>,
    /// Taken by the consumer and still in memory.
    held: usize,
    counts: Counts,
    /// Set when no more items are expected: the time at which work must be over.
    closed: Option<Instant>,
    ended: bool,
}

impl<Thing, Counts: Default> BatchQueue<Thing, Counts> {
    pub(crate) fn new(limits: BatchQueueLimits) -> Self {
        let state =
            QueueState { waiting: VecDeque::new(), held: 0, counts: Counts::default(), closed: None, ended: false };
        Self { state: Mutex::new(state), limits, wake: Notify::new(), over: Condvar::new() }
    }

    /// Adds an item. When too many are in memory, or the consumer has ended, the item is lost and `refused` counts it.
    pub(crate) fn push<R>(&self, thing: Thing, refused: impl FnOnce(&mut Counts) -> R) -> Option<R> {
        let mut state = self.lock();
        if state.ended || state.in_memory() >= self.limits.most {
            return Some(refused(&mut state.counts));
        }
        state.waiting.push_back(thing);
        let waiting = state.waiting.len();
        drop(state);
        // Waking the consumer for each item costs more than the item.
        if waiting == 1 || waiting == self.limits.batch {
            self.wake.notify_one();
        }
        None
    }

    /// Waits until the consumer has work: a batch is full, the first item of a smaller one has waited long enough, the
    /// queue was closed, or `until` has come.
    pub(crate) async fn due(&self, until: Option<Instant>) {
        let mut limit = until;
        let mut gathering = false;
        loop {
            let (waiting, closed) = self.look();
            if closed || waiting >= self.limits.batch {
                return;
            }
            if waiting > 0 && !gathering {
                gathering = true;
                let gathered = Instant::now() + self.limits.gather;
                limit = Some(limit.map_or(gathered, |limit| limit.min(gathered)));
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(limit.unwrap_or_else(Instant::now)), if limit.is_some() => return,
            }
        }
    }

    /// Moves up to `most` items to the consumer, which holds them until [`release`](Self::release).
    pub(crate) fn take(&self, most: usize) -> VecDeque<Thing> {
        let mut state = self.lock();
        let taken = if state.waiting.len() <= most {
            // Pushing threads wait meanwhile, so nothing is copied.
            std::mem::take(&mut state.waiting)
        } else {
            state.waiting.drain(..most).collect()
        };
        state.held += taken.len();
        taken
    }

    /// Says that the consumer is done with `things` items. `count` records how it went and gets the number left in
    /// memory.
    pub(crate) fn release(&self, things: usize, count: impl FnOnce(&mut Counts, usize)) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(things);
        let left = state.in_memory();
        count(&mut state.counts, left);
    }

    /// Reads or changes the counts. `count` also gets the number of items in memory.
    pub(crate) fn count<R>(&self, count: impl FnOnce(&mut Counts, usize) -> R) -> R {
        let mut state = self.lock();
        let in_memory = state.in_memory();
        count(&mut state.counts, in_memory)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Applies `look` to the item that has waited longest.
    pub(crate) fn oldest<R>(&self, look: impl FnOnce(&Thing) -> R) -> Option<R> {
        self.lock().waiting.front().map(look)
    }

    /// Says that no more items come, and waits up to `limit` for the consumer to end. Returns whether it has ended.
    pub(crate) fn close(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        // Work gets most of the time; the rest is for giving up in order.
        state.closed.get_or_insert_with(|| Instant::now() + limit * 3 / 4);
        self.wake.notify_one();
        let waited = self.over.wait_timeout_while(state, limit, |state| !state.ended);
        unpoisoned(waited).0.ended
    }

    /// The time at which work must be over; `None` until the queue is closed.
    pub(crate) fn closed(&self) -> Option<Instant> {
        self.lock().closed
    }

    /// Waits until the queue is closed. Returns the time at which work must be over.
    pub(crate) async fn closing(&self) -> Instant {
        loop {
            if let Some(limit) = self.closed() {
                return limit;
            }
            self.wake.notified().await;
        }
    }

    /// Ends the consumer's side. Returns how many items are lost with that; `count` records them.
    pub(crate) fn end(&self, count: impl FnOnce(&mut Counts, usize)) -> usize {
        let mut state = self.lock();
        let left = state.in_memory();
        state.waiting.clear();
        state.held = 0;
        state.ended = true;
        count(&mut state.counts, left);
        drop(state);
        self.over.notify_all();
        left
    }

    fn look(&self) -> (usize, bool) {
        let state = self.lock();
        (state.waiting.len(), state.closed.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<Thing, Counts>> {
        lock(&self.state)
    }
}

impl<Thing, Counts> QueueState<Thing, Counts> {
    fn in_memory(&self) -> usize {
        self.waiting.len() + self.held
    }
}

#[cfg(test)]
mod tests;
