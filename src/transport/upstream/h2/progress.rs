//! Whether anything moves on an HTTP/2 connection.
//!
//! An upstream can keep a connection open, answer each PING, and process no request. So only what belongs to requests
//! counts as movement.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// What is known of one connection; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<Movement>>);

#[derive(Debug)]
struct Movement {
    /// Requests that wait for the head of their answer.
    waiting: usize,
    /// Requests whose body the upstream does not take.
    held: usize,
    /// When the first of those was held.
    held_since: Instant,
    /// When a frame of a request came last, or the first of the requests that wait was sent.
    moved_at: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Movement { waiting: 0, held: 0, held_since: now, moved_at: now })))
    }

    /// Counts a request as waiting until the returned guard is dropped.
    pub(super) fn ask(&self) -> Waiting {
        let mut movement = lock(&self.0);
        if movement.waiting == 0 {
            movement.moved_at = Instant::now();
        }
        movement.waiting += 1;
        Waiting(self.clone())
    }

    /// Counts a body that the upstream is to take as held until the guard says otherwise.
    pub(super) fn upload(&self) -> Held {
        lock(&self.0).hold();
        Held { progress: self.clone(), is_held: true }
    }

    /// Whether requests wait and nothing has moved for a while: new requests go elsewhere.
    pub(super) fn is_quiet(&self) -> bool {
        let movement = lock(&self.0);
        movement.waiting > 0 && movement.moved_at.elapsed() > QUIET
    }

    /// Whether the upstream takes no bytes of any body and nothing has moved for long: the connection gets nowhere. A
    /// request that waits and is not held may still get its answer.
    pub(super) fn is_stuck(&self) -> bool {
        let movement = lock(&self.0);
        let are_all_held = movement.held > 0 && movement.held >= movement.waiting;
        are_all_held && movement.moved_at.max(movement.held_since).elapsed() > STUCK
    }

    /// The time since anything moved.
    pub(super) fn still_for(&self) -> Duration {
        lock(&self.0).moved_at.elapsed()
    }

    pub(super) fn moved(&self) {
        lock(&self.0).moved_at = Instant::now();
    }
}

impl Movement {
    fn hold(&mut self) {
        if self.held == 0 {
            self.held_since = Instant::now();
        }
        self.held += 1;
    }
}

/// A request that waits for the head of its answer.
pub(super) struct Waiting(Progress);

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(&self.0.0).waiting -= 1;
    }
}

/// A request's body on its way to the upstream.
pub(super) struct Held {
    progress: Progress,
    is_held: bool,
}

impl Held {
    /// Marks the body as held by the upstream, or as waiting for more from the client.
    pub(super) fn set(&mut self, is_held: bool) {
        if self.is_held != is_held {
            self.is_held = is_held;
            let mut movement = lock(&self.progress.0);
            if is_held {
                movement.hold();
            } else {
                movement.held -= 1;
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// After so long without movement a connection gets no new request. A slow answer costs its neighbour a connection of
/// its own, as over HTTP/1.1.
const QUIET: Duration = Duration::from_millis(500);

/// After so long a connection whose upstream takes no bytes is closed.
const STUCK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_quiet_while_requests_wait_and_nothing_moves() {
        let progress = Progress::new();
        tokio::time::advance(QUIET * 10).await;
        assert!(!progress.is_quiet());
        let waiting = progress.ask();
        assert!(!progress.is_quiet());
        tokio::time::advance(QUIET * 2).await;
        assert!(progress.is_quiet());
        progress.moved();
        assert!(!progress.is_quiet());
        tokio::time::advance(QUIET * 2).await;
        assert!(progress.is_quiet());
        drop(waiting);
        assert!(!progress.is_quiet());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_stuck_when_the_upstream_and_not_the_client_holds_a_body_up() {
        let progress = Progress::new();
        let mut held = progress.upload();
        tokio::time::advance(STUCK * 2).await;
        assert!(progress.is_stuck());
        held.set(false);
        assert!(!progress.is_stuck());
        held.set(true);
        drop(held);
        assert!(!progress.is_stuck());
    }

    #[tokio::test(start_paused = true)]
    async fn f80_an_upload_that_is_held_does_not_end_the_request_that_waits_beside_it() {
        let progress = Progress::new();
        let waits_for_its_answer = progress.ask();
        tokio::time::advance(STUCK * 2).await;
        let _uploads = progress.ask();
        let _held = progress.upload();
        tokio::time::advance(STUCK * 2).await;
        assert!(!progress.is_stuck());
        drop(waits_for_its_answer);
        assert!(progress.is_stuck());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_not_stuck_as_soon_as_a_body_is_held() {
        let progress = Progress::new();
        tokio::time::advance(STUCK * 2).await;
        let _held = progress.upload();
        assert!(!progress.is_stuck());
        tokio::time::advance(STUCK * 2).await;
        assert!(progress.is_stuck());
    }
}
