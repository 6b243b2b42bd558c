//! What was read from a connection and not used yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio_util::io::poll_read_buf;

use crate::transport::connect::Stream;

/// Bytes in the order in which they came, and how much room the next ones get.
#[derive(Default)]
pub(super) struct Received {
    /// The bytes.
    pub bytes: BytesMut,
    /// How often the smallest room is doubled: one step up for each read that fills its room.
    doubled: u32,
}

impl Received {
    /// Reads once; ready with how many bytes came, none at the end of the connection.
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

    /// Gives the memory back while there is nothing in it: a stream waits much longer than it talks.
    pub(super) fn release_if_empty(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}

/// Room for an answer that is small, or for what a stream says at once.
const SMALLEST: usize = 8 * 1024;

/// Up to 64 kB: what a fast upstream sends between two looks.
const MOST_DOUBLED: u32 = 3;
