//! Carries an upstream's response to the client: frame in, frame out, watched by a tap that cannot change it. Before
//! the client learns that the upstream broke off, it gets every byte that came before.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::idle_timeout::IdleTimeout;
use super::revoke_signal::RevokeSignal;
use super::shutdown::{Phase, Shutdown};
use super::upstream::{UpstreamBody, UpstreamReadError};

/// Sees a response pass. It gets the bytes by reference: the client always gets the upstream's bytes.
pub trait Tap: Send {
    /// Sees bytes that are about to go to the client.
    fn data(&mut self, bytes: &[u8]);

    /// Learns how the response ended. Called exactly once.
    fn end(&mut self, ending: Ending);
}

/// How a relayed response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The upstream's response is complete.
    Complete,
    /// The client went away, or did not send the rest of its request.
    Cancelled,
    /// The upstream's connection broke before the end.
    UpstreamCut,
    /// The upstream sent nothing for longer than the idle timeout.
    Stalled,
    /// The server ended it in order to shut down.
    ShutDown,
    /// The revoke signal was raised: the caller's access was revoked.
    Revoked,
}

/// Why a relayed body breaks off for the client.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The upstream's connection broke. The client's is broken too, so that it cannot take the answer for complete.
    #[error("the upstream's response was cut")]
    Cut(#[source] UpstreamReadError),
    /// The upstream sent nothing within the idle timeout.
    #[error("the upstream was silent for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShutDown,
    /// The caller's access was revoked.
    #[error("the access that it ran under is revoked")]
    Revoked,
}

/// Makes the last event of a stream, which tells the client why its answer ends.
pub type LastWords = fn(Ending) -> Bytes;

/// The body of a response on its way from the upstream to the client.
pub struct Relay {
    body: UpstreamBody,
    tap: Option<Box<dyn Tap>>,
    idle_timeout: IdleTimeout,
    shutdown: Shutdown,
    signal: Option<RevokeSignal>,
    last_words: Option<LastWords>,
    /// Whether bytes have passed.
    begun: bool,
    /// The last bytes that passed; they show whether an event is complete.
    tail: [u8; 4],
    /// How the upstream's connection broke, until the client is told.
    cut: Option<UpstreamReadError>,
    done: bool,
}

impl Relay {
    /// Relays `body`, and ends it when the upstream sends nothing for `idle_timeout` (the idle timeout).
    #[must_use]
    pub fn new(body: UpstreamBody, idle_timeout: Duration, shutdown: Shutdown) -> Self {
        let idle_timeout = IdleTimeout::new(idle_timeout);
        Self {
            body,
            tap: None,
            idle_timeout,
            shutdown,
            signal: None,
            last_words: None,
            begun: false,
            tail: *b"\n\n\n\n",
            cut: None,
            done: false,
        }
    }

    /// Shows the response to `tap`, from its first byte to its ending.
    #[must_use]
    pub fn tapped(mut self, tap: Box<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Ends the response when `signal` is raised: an event stream between two events, any other response at once.
    #[must_use]
    pub fn revoked_by(mut self, signal: RevokeSignal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// For a plain event stream: announces an ending that the server causes by one more event.
    #[must_use]
    pub fn with_last_words(mut self, last_words: LastWords) -> Self {
        self.last_words = Some(last_words);
        self
    }

    fn finish(&mut self, ending: Ending) {
        self.done = true;
        if let Some(mut tap) = self.tap.take() {
            tap.end(ending);
        }
    }

    fn pass(&mut self, bytes: Bytes) -> Frame<Bytes> {
        self.idle_timeout.reset();
        self.begun = true;
        self.keep_tail(&bytes);
        if let Some(tap) = &mut self.tap {
            tap.data(&bytes);
        }
        // hyper does not poll again once the announced length is written, so the end is noticed here.
        if self.body.is_end() {
            self.finish(Ending::Complete);
        }
        Frame::data(bytes)
    }

    /// Whether a raised revoke signal takes effect before more bytes pass. A plain answer passes its first bytes in
    /// any case, and most are complete with them: broken, it would leave its client with neither answer nor reason.
    fn is_recalled_here(&self) -> bool {
        let here = if self.last_words.is_some() { self.is_at_boundary() } else { self.begun };
        here && self.signal.as_ref().is_some_and(RevokeSignal::is_raised)
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(self.tail.len())..];
        self.tail.rotate_left(new.len());
        let kept = self.tail.len() - new.len();
        self.tail[kept..].copy_from_slice(new);
    }

    /// Whether the last bytes end an event, or none have passed: here one more event can stand (WHATWG HTML, server-sent events).
    fn is_at_boundary(&self) -> bool {
        self.tail.ends_with(b"\n\n") || self.tail.ends_with(b"\r\r") || self.tail == *b"\r\n\r\n"
    }

    /// Ends the response on the server's own account: with a last event where one can stand, else with an error.
    fn give_up(&mut self, ending: Ending, error: RelayError) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.finish(ending);
        match self.last_words {
            Some(last_words) if self.is_at_boundary() => Poll::Ready(Some(Ok(Frame::data(last_words(ending))))),
            _ => Poll::Ready(Some(Err(error))),
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some(error) = self.cut.take() {
            return Poll::Ready(Some(Err(RelayError::Cut(error))));
        }
        if self.done {
            return Poll::Ready(None);
        }
        if self.is_recalled_here() {
            return self.give_up(Ending::Revoked, RelayError::Revoked);
        }
        match self.body.poll_bytes(cx) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(Ok(self.pass(bytes)))),
            Poll::Ready(None) => {
                self.finish(Ending::Complete);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let by_client = matches!(error, UpstreamReadError::Request);
                self.finish(if by_client { Ending::Cancelled } else { Ending::UpstreamCut });
                self.cut = Some(error);
                // An error closes the client's connection at once, while earlier bytes, even the head, may still wait
                // to be written. hyper writes them when the body is pending.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending if self.shutdown.phase() == Phase::Forced => {
                self.give_up(Ending::ShutDown, RelayError::ShutDown)
            }
            Poll::Pending if self.signal.as_ref().is_some_and(|signal| signal.poll(cx).is_ready()) => {
                self.give_up(Ending::Revoked, RelayError::Revoked)
            }
            Poll::Pending => match self.idle_timeout.poll(cx) {
                Poll::Ready(limit) => self.give_up(Ending::Stalled, RelayError::Stalled(limit)),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.done && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { self.body.size_hint() }
    }
}

impl Drop for Relay {
    /// The server drops an unfinished body only when its client is gone.
    fn drop(&mut self) {
        if !self.done {
            let ending = if self.body.is_end() { Ending::Complete } else { Ending::Cancelled };
            self.finish(ending);
        }
    }
}

#[cfg(test)]
mod tests;
