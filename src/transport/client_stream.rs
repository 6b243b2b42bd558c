//! The connection of a client under our server: gives up a client that reads nothing, and closes so that the client can
//! still read its last answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::connection_end::ConnectionEnd;

/// **No single write, flush or close waits longer than a limit.** Over TLS up to 64 KiB wait in TLS's own buffer, so the
/// wait for a client may be in any of the three. A client that keeps its window shut could otherwise hold its answer,
/// and with it the upstream connection, for ever: its operating system answers keep-alive probes, so they prove nothing.
/// A connection that never waits costs no timer: the timer is set when a write, flush or close has to wait.
///
/// **The close lingers where the client may still be sending**: a body that was refused, or a request that comes too late.
/// Closing with unread bytes would send RST, which destroys the answer on its way, so this sends FIN, reads on for up to
/// 5 s, and then closes (RFC 9112 §9.6).
pub(super) struct ClientStream<S> {
    stream: S,
    write_limit: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
    end: Arc<ConnectionEnd>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S> ClientStream<S> {
    /// Lets a write, flush or close wait for `write_limit`, with `None` for ever. `end` says whether it lingers when hyper
    /// closes the connection.
    #[must_use]
    pub(super) fn new(stream: S, write_limit: Option<Duration>, end: Arc<ConnectionEnd>) -> Self {
        Self { stream, write_limit, waiting: None, end, lingering: None }
    }

    /// Fails what is pending once it has waited for the limit.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let Some(limit) = self.write_limit else { return written };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        waiting.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
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
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.watch(cx, closed))?;
            if !self.end.lingers() {
                return Poll::Ready(Ok(()));
            }
        }
        let Self { stream, lingering, .. } = &mut *self;
        let lingering = lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LONGEST_CLOSE)));
        let mut room = [0; 16 * 1024];
        loop {
            let mut unread = ReadBuf::new(&mut room);
            match Pin::new(&mut *stream).poll_read(cx, &mut unread) {
                Poll::Ready(Ok(())) if !unread.filled().is_empty() => {}
                // The client has closed its side, or reading failed.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return lingering.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

/// Long enough for a client to read the answer, and short enough that a client that never stops gains nothing.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn f55_a_write_to_a_stalled_client_fails_at_the_limit() {
        let (near, _far) = tokio::io::duplex(10);
        let mut near = ClientStream::new(near, Some(LIMIT), Arc::default());
        let began = tokio::time::Instant::now();
        let written = near.write_all(&[0; 11]).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn f55_a_flush_and_a_close_before_a_stalled_client_fail_at_the_limit() {
        // Like TLS, it takes what is written into a buffer of its own.
        for is_closed in [false, true] {
            let (near, _far) = tokio::io::duplex(10);
            let mut near = ClientStream::new(tokio::io::BufWriter::new(near), Some(LIMIT), Arc::default());
            let began = tokio::time::Instant::now();
            near.write_all(&[0; 11]).await.unwrap();
            let ended = if is_closed { near.shutdown().await } else { near.flush().await };
            assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT * 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn f55_a_slow_client_that_makes_progress_is_not_cut_off() {
        let (near, mut far) = tokio::io::duplex(10);
        let mut near = ClientStream::new(near, Some(LIMIT), Arc::default());
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
