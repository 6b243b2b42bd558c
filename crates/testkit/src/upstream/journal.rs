//! The requests and connections of the server, for tests to inspect and wait for.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::recording::Received;

/// Shared by all connections; every change wakes the waiters.
#[derive(Default)]
pub(super) struct Journal {
    pages: Mutex<Pages>,
    connections: AtomicUsize,
    open: AtomicUsize,
    abandoned: AtomicUsize,
    changed: Notify,
}

#[derive(Default)]
struct Pages {
    received: Vec<Received>,
    /// The number of cleared requests: a request that was still arriving then has no place any more.
    cleared: usize,
    abandoned: VecDeque<Instant>,
}

impl Journal {
    pub(super) fn requests(&self) -> Vec<Received> {
        self.pages().received.clone()
    }

    pub(super) fn look_at_requests(&self, look: impl Fn(&[Received]) -> bool) -> bool {
        look(&self.pages().received)
    }

    /// Keeps a request and returns its place, for [`Journal::change`].
    pub(super) fn add(&self, received: Received) -> usize {
        let place = {
            let mut pages = self.pages();
            pages.received.push(received);
            pages.cleared + pages.received.len() - 1
        };
        self.changed.notify_waiters();
        place
    }

    pub(super) fn change(&self, place: usize, change: impl FnOnce(&mut Received)) {
        {
            let mut pages = self.pages();
            let index = place.checked_sub(pages.cleared);
            if let Some(received) = index.and_then(|index| pages.received.get_mut(index)) {
                change(received);
            }
        }
        self.changed.notify_waiters();
    }

    /// Forgets requests and abandoned answers; open answers stay counted.
    pub(super) fn clear(&self) {
        let mut pages = self.pages();
        pages.cleared += pages.received.len();
        pages.received.clear();
        pages.abandoned.clear();
        self.abandoned.store(0, Ordering::SeqCst);
    }

    /// Counts a connection and returns its number.
    pub(super) fn accept(&self) -> usize {
        let number = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        self.changed.notify_waiters();
        number
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn open_answer(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    pub(super) fn close_answer(&self, finished: bool) {
        if !finished {
            self.pages().abandoned.push_back(tokio::time::Instant::now().into_std());
            self.abandoned.fetch_add(1, Ordering::SeqCst);
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    pub(super) fn open_answers(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// How many answers were abandoned, taken or not.
    pub(super) fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::SeqCst)
    }

    pub(super) fn take_abandoned(&self) -> Option<Instant> {
        self.pages().abandoned.pop_front()
    }

    pub(super) async fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        self.wait_for_some(what, |journal| condition(journal).then_some(())).await;
    }

    /// Looks after every change until `look` finds something. Panics after 10 s: the test's name then tells the rest.
    pub(super) async fn wait_for_some<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let wait = async {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable(); // before the look, so that no change falls in between
                if let Some(found) = look(self) {
                    return found;
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        found.unwrap_or_else(|_| panic!("the stand-in upstream waited {} s for {what}", PATIENCE.as_secs()))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // A test's condition may panic in here; the server's threads go on.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
