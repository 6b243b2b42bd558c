//! Watches whether anything moves on an HTTP/2 connection.
//!
//! An upstream can keep a connection open, answer each PING, and process no request. Whether it does shows only in the
//! frames that belong to requests: `DATA`, `HEADERS`, `CONTINUATION`, `RST_STREAM` and `WINDOW_UPDATE` (RFC 9113 §6).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

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

    fn moved(&self) {
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

/// A connection whose frames are watched as they are read. Reading fails when the connection gets nowhere, which ends it
/// and with it the requests that it holds.
pub(super) struct Watched<S> {
    stream: S,
    progress: Progress,
    frames: Frames,
    next_look: Pin<Box<Sleep>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, progress: Progress) -> Self {
        Self { stream, progress, frames: Frames::default(), next_look: Box::pin(sleep(LOOK_INTERVAL)) }
    }

    /// Ready once the connection gets nowhere.
    fn poll_stuck(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.next_look.as_mut().poll(cx).is_ready() {
            if self.progress.is_stuck() {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the upstream takes no bytes"));
            }
            self.next_look.as_mut().reset(Instant::now() + LOOK_INTERVAL);
        }
        Poll::Pending
    }
}

/// The position among the frames of a connection (RFC 9113 §4.1).
#[derive(Default)]
struct Frames {
    head: [u8; FRAME_HEAD],
    /// Bytes of the head that have come.
    filled: usize,
    /// Bytes of the payload that are still to come.
    payload: usize,
}

impl Frames {
    /// Reads over `bytes`; true if a frame among them belongs to a request.
    fn hold_request(&mut self, mut bytes: &[u8]) -> bool {
        let mut found = false;
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            let taken = (FRAME_HEAD - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == FRAME_HEAD {
                let [high, middle, low, kind, ..] = self.head;
                self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.filled = 0;
                found |= matches!(kind, DATA | HEADERS | RST_STREAM | WINDOW_UPDATE | CONTINUATION);
            }
        }
        found
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, buf) else {
            return self.poll_stuck(cx).map(Err);
        };
        read?;
        if self.frames.hold_request(&buf.filled()[before..]) {
            self.progress.moved();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

const FRAME_HEAD: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

/// After so long without movement a connection gets no new request. A slow answer costs its neighbour a connection of
/// its own, as over HTTP/1.1.
const QUIET: Duration = Duration::from_millis(500);

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// After so long a connection whose upstream takes no bytes is closed.
const STUCK: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_requests_are_found_wherever_the_reads_split_them() {
        let frame = |kind: u8, payload: &[u8]| {
            let length = u8::try_from(payload.len()).unwrap();
            [&[0, 0, length, kind, 0, 0, 0, 0, 1], payload].concat()
        };
        let (settings, ping, data) = (frame(0x4, &[0; 6]), frame(0x6, &[0; 8]), frame(DATA, &[DATA; 30]));
        let all = [settings.as_slice(), &ping, &data, &ping].concat();
        let first_request = settings.len() + ping.len() + FRAME_HEAD;
        for piece in 1..all.len() {
            let (mut frames, mut read, mut found) = (Frames::default(), 0, Vec::new());
            for bytes in all.chunks(piece) {
                read += bytes.len();
                found.extend(frames.hold_request(bytes).then_some(read));
            }
            assert_eq!(found.len(), 1, "in pieces of {piece}");
            assert!((first_request..first_request + piece).contains(&found[0]), "in pieces of {piece}");
        }
    }

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
