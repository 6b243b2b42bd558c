//! Whether anything moves on an HTTP/2 connection.
//!
//! An upstream can keep a connection open, answer each PING, take the bytes of requests, and answer none. So only parts
//! of answers make a connection good for new requests, and only frames of requests keep it from being closed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::frames::FramesRead;
use super::silence::Silence;
use crate::lock::lock;
use crate::transport::upstream::h1::MOST_INTERIM;

/// What is known of one connection; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<Movement>>);

#[derive(Debug)]
struct Movement {
    silence: Silence,
    /// Streams whose request or answer has not ended.
    open: usize,
    /// Those of them whose body the upstream does not take.
    held: usize,
    /// When the first of those was held.
    held_since: Instant,
    /// When a frame of a request came last, or the first of the requests that wait was sent.
    moved_at: Instant,
    /// When bytes came last.
    read_at: Instant,
    /// How many more HEADERS frames the upstream may send.
    headers_left: usize,
}

impl Progress {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Movement {
            silence: Silence::default(),
            open: 0,
            held: 0,
            held_since: now,
            moved_at: now,
            read_at: now,
            headers_left: 0,
        })))
    }

    /// Counts a stream as open and its request as waiting, each until its guard is dropped.
    pub(super) fn ask(&self) -> (Arc<OpenStream>, Waiting) {
        let (mut movement, now) = (lock(&self.0), Instant::now());
        if movement.silence.waiting() == 0 {
            movement.moved_at = now;
        }
        movement.silence.wait(now);
        movement.headers_left = (movement.headers_left + HEADERS_OF_ONE).min(HEADERS_OF_ALL);
        movement.open += 1;
        (Arc::new(OpenStream(self.clone())), Waiting(self.clone()))
    }

    /// Whether requests have waited for a while and nothing was answered: new requests go elsewhere.
    pub(super) fn is_quiet(&self) -> bool {
        lock(&self.0).silence.at(Instant::now()) > QUIET
    }

    /// Whether each open stream has a body of which the upstream takes no bytes, and nothing has moved for long: the
    /// connection gets nowhere. A stream that is not held may still get its answer, or more of it.
    pub(super) fn is_stuck(&self) -> bool {
        let movement = lock(&self.0);
        let are_all_held = movement.held > 0 && movement.held >= movement.open;
        are_all_held && movement.moved_at.max(movement.held_since).elapsed() > STUCK
    }

    /// The time since any byte came.
    pub(super) fn since_read(&self) -> Duration {
        lock(&self.0).read_at.elapsed()
    }

    /// A request got the head of its answer. An interim answer is none, so the frame alone does not tell.
    pub(super) fn answered(&self) {
        lock(&self.0).silence.end(Instant::now());
    }

    /// Notes what was read. False if the upstream sends more HEADERS frames than the answers to all requests can have.
    #[must_use]
    pub(super) fn read(&self, frames: FramesRead) -> bool {
        let (mut movement, now) = (lock(&self.0), Instant::now());
        movement.read_at = now;
        if frames.of_a_request {
            movement.moved_at = now;
        }
        if frames.of_a_body {
            movement.silence.end(now);
        }
        let left = movement.headers_left.checked_sub(frames.headers);
        movement.headers_left = left.unwrap_or_default();
        left.is_some()
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
        lock(&self.0.0).silence.leave(Instant::now());
    }
}

/// A stream, which is open until the request's body and the answer's body have let go of it.
pub(super) struct OpenStream(Progress);

impl OpenStream {
    /// Counts the body that the upstream is to take as held until the guard says otherwise.
    pub(super) fn upload(self: &Arc<Self>) -> Held {
        lock(&self.0.0).hold();
        Held { stream: Arc::clone(self), is_held: true }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        lock(&self.0.0).open -= 1;
    }
}

/// A request's body on its way to the upstream.
pub(super) struct Held {
    stream: Arc<OpenStream>,
    is_held: bool,
}

impl Held {
    /// Marks the body as held by the upstream, or as waiting for more from the client.
    pub(super) fn set(&mut self, is_held: bool) {
        if self.is_held != is_held {
            self.is_held = is_held;
            let mut movement = lock(&self.stream.0.0);
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

/// Our own limit of open streams; servers are advised to allow at least this many (RFC 9113 §6.5.2).
pub(super) const MAX_STREAMS: usize = 100;

/// The HEADERS frames that the answer to one request can have: interim answers, the head, the trailers.
const HEADERS_OF_ONE: usize = MOST_INTERIM as usize + 2;

/// What requests leave over is kept for those that are open, which are this many at most.
const HEADERS_OF_ALL: usize = MAX_STREAMS * HEADERS_OF_ONE;

/// After so long without an answer a connection gets no new request. A slow answer costs its neighbour a connection of
/// its own, as over HTTP/1.1.
const QUIET: Duration = Duration::from_millis(500);

/// After so long a connection whose upstream takes no bytes is closed.
const STUCK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
