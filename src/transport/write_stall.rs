//! Ends a connection whose client no longer reads its answer.
//!
//! A client that keeps its window shut could otherwise hold its answer, and with it the upstream connection, for ever:
//! its operating system answers keep-alive probes, so they prove nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection on which no single write waits longer than a limit. A busy connection costs no timer; a write that has
/// to wait sets one.
pub(super) struct WriteStall<S> {
    stream: S,
    limit: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteStall<S> {
    /// Lets a write wait for `limit`; with `None`, for ever.
    #[must_use]
    pub(super) fn new(stream: S, limit: Option<Duration>) -> Self {
        Self { stream, limit, waiting: None }
    }

    /// Fails a pending write once it has waited for the limit.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let Some(limit) = self.limit else { return written };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        waiting.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteStall<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteStall<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn f55_a_write_to_a_stalled_client_fails_at_the_limit() {
        let (near, _far) = tokio::io::duplex(10);
        let mut near = WriteStall::new(near, Some(LIMIT));
        let began = tokio::time::Instant::now();
        let written = near.write_all(&[0; 11]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn f55_a_slow_client_that_makes_progress_is_not_cut_off() {
        let (near, mut far) = tokio::io::duplex(10);
        let mut near = WriteStall::new(near, Some(LIMIT));
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            while all.len() < 100 {
                tokio::time::sleep(LIMIT / 2).await;
                let mut some = [0; 5];
                let length = far.read(&mut some).await.unwrap();
                all.extend_from_slice(&some[..length]);
            }
        });
        near.write_all(&[0; 100]).await.unwrap();
        reading.await.unwrap();
    }
}
