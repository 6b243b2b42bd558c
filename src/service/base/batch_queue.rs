//! A bounded queue between many threads that push and one that takes what has gathered, in batches.
//!
//! Whatever was pushed is at every moment in exactly one place: it waits here, it is held by the one who took it, or it is in
//! one of the counts, which say what has become of it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Things on their way, and `Counts` of those that are through.
pub(crate) struct Gathering<Thing, Counts> {
    state: Mutex<State<Thing, Counts>>,
    limits: GatheringLimits,
    /// For the one who takes: there is something to do.
    wake: Notify,
    /// For [`close`](Self::close): the one who takes has ended.
    over: Condvar,
}

/// How much, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GatheringLimits {
    /// In memory at once, those that were taken included.
    pub most: usize,
    /// So many are worth being taken at once.
    pub batch: usize,
    /// How long fewer wait for more.
    pub gather: Duration,
}

struct State<Thing, Counts> {
    waiting: VecDeque<Thing>,
    /// Taken, and in memory all the same.
    held: usize,
    counts: Counts,
    /// Nothing more is expected; until when to work on what is here.
    closed: Option<Instant>,
    ended: bool,
}

impl<Thing, Counts: Default> Gathering<Thing, Counts> {
    /// Nothing has come yet.
    pub(crate) fn new(limits: GatheringLimits) -> Self {
        let state = State { waiting: VecDeque::new(), held: 0, counts: Counts::default(), closed: None, ended: false };
        Self { state: Mutex::new(state), limits, wake: Notify::new(), over: Condvar::new() }
    }

    /// Takes a thing in. When too many are in memory, or nobody takes any more, it is gone, and `refused` counts it.
    pub(crate) fn push<R>(&self, thing: Thing, refused: impl FnOnce(&mut Counts) -> R) -> Option<R> {
        let mut state = self.lock();
        if state.ended || state.in_memory() >= self.limits.most {
            return Some(refused(&mut state.counts));
        }
        state.waiting.push_back(thing);
        let waiting = state.waiting.len();
        drop(state);
        // Waking for each costs more than the thing.
        if waiting == 1 || waiting == self.limits.batch {
            self.wake.notify_one();
        }
        None
    }

    /// Waits until there is something to do: a batch is full, the first of fewer has waited long enough, the queue was
    /// closed, or `until` has come.
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
                () = reached(limit) => return,
            }
        }
    }

    /// Moves up to `most` things to the caller, who holds them from now on.
    pub(crate) fn take(&self, most: usize) -> VecDeque<Thing> {
        let mut state = self.lock();
        let taken = if state.waiting.len() <= most {
            // Those who push wait meanwhile, so nothing is copied.
            std::mem::take(&mut state.waiting)
        } else {
            state.waiting.drain(..most).collect()
        };
        state.held += taken.len();
        taken
    }

    /// Who took `things` is through with them; `count` says how it went, and is told how many are left in memory.
    pub(crate) fn release(&self, things: usize, count: impl FnOnce(&mut Counts, usize)) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(things);
        let left = state.in_memory();
        count(&mut state.counts, left);
    }

    /// Looks at the counts, beside how many things are in memory, or changes them.
    pub(crate) fn count<R>(&self, count: impl FnOnce(&mut Counts, usize) -> R) -> R {
        let mut state = self.lock();
        let in_memory = state.in_memory();
        count(&mut state.counts, in_memory)
    }

    /// How many wait here.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// What `look` sees in the one that has waited longest.
    pub(crate) fn oldest<R>(&self, look: impl FnOnce(&Thing) -> R) -> Option<R> {
        self.lock().waiting.front().map(look)
    }

    /// Says that nothing more comes and waits for the end of the one who takes, up to `limit`. Whether it has come.
    pub(crate) fn close(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        // Work gets most of it; the rest is for giving up in order.
        state.closed.get_or_insert_with(|| Instant::now() + limit * 3 / 4);
        self.wake.notify_one();
        let waited = self.over.wait_timeout_while(state, limit, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    /// When work must be over, once the queue was closed.
    pub(crate) fn closed(&self) -> Option<Instant> {
        self.lock().closed
    }

    /// Waits until the queue is closed; when work must be over.
    pub(crate) async fn closing(&self) -> Instant {
        loop {
            if let Some(limit) = self.closed() {
                return limit;
            }
            self.wake.notified().await;
        }
    }

    /// Nobody takes any more; how many things are gone with that, which `count` counts.
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

    fn lock(&self) -> MutexGuard<'_, State<Thing, Counts>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Thing, Counts> State<Thing, Counts> {
    fn in_memory(&self) -> usize {
        self.waiting.len() + self.held
    }
}

async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
