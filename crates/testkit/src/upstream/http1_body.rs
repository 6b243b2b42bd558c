//! Reads the body of an HTTP/1.1 request.

use std::io;

use bytes::Buf;
use httparse::{Status, parse_chunk_size};

use super::http1_head::RequestFraming;
use super::recording::Recording;
use super::wire::{Socket, Wire};

/// A body on its way from the connection to `bytes`, and to the journal as it arrives.
pub(super) struct RequestBody<'a, S> {
    pub(super) wire: &'a mut Wire<S>,
    pub(super) bytes: &'a mut Vec<u8>,
    pub(super) recording: &'a Recording,
}

impl<S: Socket> RequestBody<'_, S> {
    /// Reads to the end. Chunks that make no sense are [`io::ErrorKind::InvalidData`]; other errors are the peer's end.
    pub(super) async fn read(&mut self, framing: RequestFraming) -> io::Result<()> {
        match framing {
            RequestFraming::Length(length) => self.exactly(length).await,
            RequestFraming::Chunked => self.chunks().await,
        }
    }

    async fn exactly(&mut self, length: usize) -> io::Result<()> {
        let ahead = &mut self.wire.ahead;
        let known = length.min(ahead.len());
        self.recording.append(&ahead[..known]);
        self.bytes.extend_from_slice(&ahead.split_to(known));
        let mut missing = length - known;
        // A wrong length must not take all the memory at once.
        self.bytes.reserve(missing.min(RESERVE));
        while missing > 0 {
            let read = self.wire.read_into(self.bytes, missing).await?;
            self.recording.append(&self.bytes[self.bytes.len() - read..]);
            missing -= read;
        }
        Ok(())
    }

    async fn chunks(&mut self) -> io::Result<()> {
        loop {
            let (line, size) = match parse_chunk_size(&self.wire.ahead) {
                Ok(Status::Complete(line)) => line,
                Ok(Status::Partial) => {
                    self.wire.read_more().await?;
                    continue;
                }
                Err(_) => return Err(invalid("a chunk has no size")),
            };
            self.wire.ahead.advance(line);
            if size == 0 {
                return self.trailers().await;
            }
            self.exactly(usize::try_from(size).map_err(|_| invalid("a chunk is too large"))?).await?;
            while self.wire.ahead.len() < 2 {
                self.wire.read_more().await?;
            }
            if !self.wire.ahead.starts_with(b"\r\n") {
                return Err(invalid("a chunk is longer than its size"));
            }
            self.wire.ahead.advance(2);
        }
    }

    /// Skips the trailers, to the empty line.
    async fn trailers(&mut self) -> io::Result<()> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.wire.ahead) else {
                self.wire.read_more().await?;
                continue;
            };
            let line = self.wire.ahead.split_to(end + 1);
            if line.trim_ascii().is_empty() {
                return Ok(());
            }
        }
    }
}

fn invalid(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

const RESERVE: usize = 1024 * 1024;
