//! How much clients may use.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Limits on what clients may use.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Open connections, over all workers; further ones wait in the listener's queue.
    pub connections: Arc<Semaphore>,
    /// From the first byte of a request's head, or from the end of the request before, to the head's last byte.
    pub head_timeout: Duration,
    /// How long a client may stop reading its answer.
    pub write_stall: Option<Duration>,
    /// How long a connection without a request stays open once the shutdown has begun: its next request may be on the way.
    pub last_request: Duration,
}

impl ServeLimits {
    /// Limits that all workers share, without a limit on stalled writes.
    #[must_use]
    pub fn new(connections: usize, head_timeout: Duration) -> Self {
        let connections = Arc::new(Semaphore::new(connections));
        Self { connections, head_timeout, write_stall: None, last_request: Duration::ZERO }
    }

    /// Waits `limit` for requests that cross the beginning of the shutdown.
    #[must_use]
    pub fn with_last_request(mut self, limit: Duration) -> Self {
        self.last_request = limit;
        self
    }

    /// Closes the connection of a client that reads nothing of its answer for `limit`.
    #[must_use]
    pub fn with_write_stall(mut self, limit: Duration) -> Self {
        self.write_stall = Some(limit);
        self
    }
}
