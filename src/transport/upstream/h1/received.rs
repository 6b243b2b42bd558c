//! The bytes that were read from a connection and not used yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio_util::io::poll_read_buf;

use crate::transport::connect::Stream;

/// Bytes in the order of their arrival; the buffer for the next read grows and shrinks with the traffic.
#[derive(Default)]
pub(super) struct Received {
    pub bytes: BytesMut,
    /// How often the smallest buffer is doubled: once more for each read that fills its buffer.
    doubled: u32,
}

impl Received {
    /// Reads once; ready with the number of bytes, 0 at the connection's end.
    pub(super) fn poll_read(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = SMALLEST << self.doubled;
        if self.bytes.capacity() - self.bytes.len() < room / 4 {
            self.bytes.reserve(room);
        }
        let room = self.bytes.capacity() - self.bytes.len();
        let read = ready!(poll_read_buf(Pin::new(stream), cx, &mut self.bytes))?;
        if read == room {
            self.doubled = (self.doubled + 1).min(MOST_DOUBLED);
        } else if read < room / 4 {
            self.doubled = self.doubled.saturating_sub(1);
        }
        Poll::Ready(Ok(read))
    }

    /// Frees an empty buffer: a stream spends most of its time waiting.
    pub(super) fn release_if_empty(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}

/// Bytes to read at once: enough for a small answer, or for one burst of a stream.
const SMALLEST: usize = 8 * 1024;

/// Up to 64 kB, as much as a fast upstream sends between two reads.
const MOST_DOUBLED: u32 = 3;
