//! Which open connections have a client that has authenticated. The others make room for new ones.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lock::lock;

/// The open connections whose clients have not authenticated.
#[derive(Default)]
pub(super) struct Unauthenticated(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    next: u64,
    /// When each connection came, and what tells it to end; the oldest first.
    by_age: BTreeMap<u64, (Instant, Arc<Notify>)>,
}

/// Whether the client of one connection has authenticated.
pub(super) struct Authentication {
    unauthenticated: Arc<Unauthenticated>,
    number: u64,
    is_done: AtomicBool,
    evicted: Arc<Notify>,
}

impl Unauthenticated {
    /// Adds a connection that has come now.
    pub(super) fn enter(self: &Arc<Self>) -> Authentication {
        let evicted = Arc::new(Notify::new());
        let mut entries = lock(&self.0);
        let number = entries.next;
        entries.next += 1;
        entries.by_age.insert(number, (Instant::now(), Arc::clone(&evicted)));
        drop(entries);
        Authentication { unauthenticated: Arc::clone(self), number, is_done: AtomicBool::new(false), evicted }
    }

    /// Evicts the oldest connection, unless its first request may still be on the way; false if there is none.
    pub(super) fn evict_oldest(&self) -> bool {
        let mut entries = lock(&self.0);
        let Some(oldest) = entries.by_age.first_entry() else { return false };
        if oldest.get().0.elapsed() >= FIRST_REQUEST {
            let (_, evicted) = oldest.remove();
            evicted.notify_one();
        }
        true
    }

    fn remove(&self, number: u64) {
        lock(&self.0).by_age.remove(&number);
    }
}

impl Authentication {
    /// The client has authenticated: its connection stays.
    pub(super) fn succeeded(&self) {
        if !self.is_done.swap(true, Ordering::Relaxed) {
            self.unauthenticated.remove(self.number);
        }
    }

    /// Waits until the connection has to make room, which it need not once the client has authenticated.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
        if self.is_done.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

impl Drop for Authentication {
    fn drop(&mut self) {
        self.unauthenticated.remove(self.number);
    }
}

/// The time that a client has for its first request before its connection may have to make room: a busy program connects
/// and writes a little later.
pub(super) const FIRST_REQUEST: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_evicted(connection: &Authentication) -> bool {
        pin!(connection.evicted()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn f72_the_oldest_connection_without_a_good_credential_is_evicted() {
        let all = Arc::new(Unauthenticated::default());
        assert!(!all.evict_oldest());
        let (first, second, third, fourth) = (all.enter(), all.enter(), all.enter(), all.enter());
        first.succeeded();
        drop(second);
        assert!(all.evict_oldest());
        assert!(!is_evicted(&third), "its first request may be on the way");
        tokio::time::advance(FIRST_REQUEST).await;
        assert!(all.evict_oldest());
        assert!(is_evicted(&third) && !is_evicted(&fourth) && !is_evicted(&first));
        // The client authenticates as its connection is evicted.
        assert!(all.evict_oldest());
        fourth.succeeded();
        assert!(!is_evicted(&fourth) && !all.evict_oldest());
    }
}
