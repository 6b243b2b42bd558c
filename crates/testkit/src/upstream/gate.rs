//! A point at which an answer waits until the test says go on.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed at first; once open it stays open. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets all waiters through, present and future.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Returns once the gate is open.
    pub async fn wait(&self) {
        let mut state = self.0.subscribe();
        state.wait_for(|open| *open).await.expect("this gate itself keeps the sender alive");
    }

    /// As [`Gate::wait`], for a future that outlives the borrow.
    pub async fn passed(self) {
        self.wait().await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
