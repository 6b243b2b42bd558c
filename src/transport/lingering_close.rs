//! Lingering close: closes a server connection so that its client can still read the last answer (RFC 9112 §9.6).
//!
//! A connection that is closed with unread bytes sends RST, which overtakes the answer. So FIN goes first, and the
//! connection reads on for a while.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection whose client may still be sending a body that was refused: sends FIN, reads on for up to 5 s, and then
/// closes.
pub(super) struct LingeringClose<S> {
    stream: S,
    refused: Arc<AtomicBool>,
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S> LingeringClose<S> {
    /// Lingers if `refused` is true when hyper closes the connection.
    #[must_use]
    pub(super) fn new(stream: S, refused: Arc<AtomicBool>) -> Self {
        Self { stream, refused, limit: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LingeringClose<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LingeringClose<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
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
        let Self { stream, refused, limit } = &mut *self;
        if limit.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            if !refused.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let limit = limit.get_or_insert_with(|| Box::pin(tokio::time::sleep(LIMIT)));
        let mut room = [0; 16 * 1024];
        loop {
            let mut unread = ReadBuf::new(&mut room);
            match Pin::new(&mut *stream).poll_read(cx, &mut unread) {
                Poll::Ready(Ok(())) if !unread.filled().is_empty() => {}
                // The client has closed its side, or reading failed.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return limit.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

/// Long enough for a client to read the answer, and short enough that a client that never stops gains nothing.
const LIMIT: Duration = Duration::from_secs(5);
