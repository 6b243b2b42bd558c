//! The stream of an HTTP/2 connection, whose frames are watched for movement.
//!
//! Whether an upstream processes requests shows only in the frames that belong to them: `DATA`, `HEADERS`,
//! `CONTINUATION`, `RST_STREAM` and `WINDOW_UPDATE` (RFC 9113 §6).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::progress::Progress;

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

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

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
}
