//! The stream of an HTTP/2 connection, whose frames are watched for movement.
//!
//! Whether an upstream processes requests shows only in the frames that belong to them: `DATA`, `HEADERS`,
//! `CONTINUATION`, `RST_STREAM` and `WINDOW_UPDATE` (RFC 9113 §6).

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::frames::Frames;
use super::progress::Progress;

/// A connection whose frames are watched as they are read. It fails when it gets nowhere, which ends the requests that it
/// holds, and when nobody uses it any more and the upstream does not take the last bytes.
pub(super) struct Watched<S> {
    stream: S,
    progress: Progress,
    /// What its users hold: the pool and the open streams.
    users: Weak<()>,
    frames: Frames,
    next_look: Pin<Box<Sleep>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, progress: Progress, users: Weak<()>) -> Self {
        Self { stream, progress, users, frames: Frames::default(), next_look: Box::pin(sleep(LOOK_INTERVAL)) }
    }

    /// Ready once the connection is given up. Asked whenever it has to wait.
    fn poll_given_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.next_look.as_mut().poll(cx).is_ready() {
            if self.progress.is_stuck() {
                return Poll::Ready(io::Error::new(ErrorKind::TimedOut, "the upstream takes no bytes"));
            }
            if self.users.strong_count() == 0 {
                return Poll::Ready(io::Error::new(ErrorKind::TimedOut, "nobody uses the connection any more"));
            }
            self.next_look.as_mut().reset(Instant::now() + LOOK_INTERVAL);
        }
        Poll::Pending
    }

    fn unless_given_up<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() { self.poll_given_up(cx).map(Err) } else { polled }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if !matches!(polled, Poll::Ready(Ok(()))) {
            return self.unless_given_up(cx, polled);
        }
        let frames = self.frames.read(&buf.filled()[before..]);
        if !self.progress.read(frames) {
            buf.set_filled(before); // a read that fails gives no bytes
            let endless = "the upstream sends interim answers without end";
            return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, endless)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.unless_given_up(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.unless_given_up(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_given_up(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.unless_given_up(cx, polled)
    }
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn f80_a_connection_that_nobody_uses_ends_though_the_upstream_takes_no_bytes() {
        let (near, _far) = duplex(1);
        let users = Arc::new(());
        let mut watched = Watched::new(near, Progress::new(), Arc::downgrade(&users));
        let began = Instant::now();
        tokio::select! {
            written = watched.write_all(b"GOAWAY") => panic!("{written:?}"),
            () = sleep(LOOK_INTERVAL * 10) => {}
        }
        drop(users);
        assert_eq!(watched.write_all(b"GOAWAY").await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() <= LOOK_INTERVAL * 12, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn f16_reading_fails_by_name_when_interim_answers_have_no_end() {
        let (near, mut far) = duplex(1 << 16);
        let users = Arc::new(());
        let progress = Progress::new();
        let _waiting = progress.ask();
        let mut watched = Watched::new(near, progress, Arc::downgrade(&users));
        let interim = [0_u8, 0, 0, 1, 4, 0, 0, 0, 1];
        far.write_all(&interim.repeat(1000)).await.unwrap();
        let error = watched.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "the upstream sends interim answers without end");
    }
}
