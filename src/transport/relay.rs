//! Carries an upstream's response to the client: frame in, frame out, watched by a tap that cannot touch it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::recall::Recall;
use super::shutdown::{Phase, Shutdown};
use super::silence::Silence;
use super::upstream::{Cut, UpstreamBody};

/// Sees a response pass. It gets the bytes by reference: whatever it does, the client's bytes are the upstream's.
pub trait Tap: Send {
    /// These bytes are about to go to the client.
    fn data(&mut self, bytes: &[u8]);

    /// Nothing more comes. Called exactly once.
    fn end(&mut self, ending: Ending);
}

/// How a relayed response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The upstream said all it had to say.
    Complete,
    /// The client went away, or did not send the rest of its request.
    Cancelled,
    /// The upstream's connection broke.
    UpstreamCut,
    /// The upstream fell silent for longer than the limit.
    Stalled,
    /// The server ended it, to shut down.
    ShutDown,
    /// It was recalled: who asked for it may no longer have it.
    Recalled,
}

/// Why a relayed body ends abnormally for the client.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The upstream's connection broke; so does the client's, and nothing is invented in between.
    #[error("the upstream's response was cut")]
    Cut(#[source] Cut),
    /// The upstream fell silent.
    #[error("the upstream was silent for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The server is ending.
    #[error("the server is shutting down")]
    ShutDown,
    /// It was recalled.
    #[error("the response was recalled")]
    Recalled,
}

/// What to say to the client in place of a bare cut, as a last event of its stream.
pub type LastWords = fn(Ending) -> Bytes;

/// A response on its way.
pub struct Relay {
    body: UpstreamBody,
    tap: Option<Box<dyn Tap>>,
    silence: Silence,
    shutdown: Shutdown,
    recall: Option<Recall>,
    last_words: Option<LastWords>,
    /// Whether bytes have passed.
    begun: bool,
    /// The last bytes that passed, which tell whether an event is over.
    tail: [u8; 4],
    /// How the upstream's connection broke, until the client is told.
    cut: Option<Cut>,
    done: bool,
}

impl Relay {
    /// Carries `body`; silent for longer than `silence`, it is ended.
    #[must_use]
    pub fn new(body: UpstreamBody, silence: Duration, shutdown: Shutdown) -> Self {
        let silence = Silence::new(silence);
        Self {
            body,
            tap: None,
            silence,
            shutdown,
            recall: None,
            last_words: None,
            begun: false,
            tail: *b"\n\n\n\n",
            cut: None,
            done: false,
        }
    }

    /// Lets `tap` see it.
    #[must_use]
    pub fn tapped(mut self, tap: Box<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Ends it when `recall` is raised: between two events if it is a plain event stream that goes on, else at once.
    #[must_use]
    pub fn recalled_by(mut self, recall: Recall) -> Self {
        self.recall = Some(recall);
        self
    }

    /// For a plain event stream: an ending that is the server's doing is announced by one more event.
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
        self.silence.broken();
        self.begun = true;
        self.keep_tail(&bytes);
        if let Some(tap) = &mut self.tap {
            tap.data(&bytes);
        }
        // hyper does not ask again once the announced length is written, so the end is noticed here.
        if self.body.is_end() {
            self.finish(Ending::Complete);
        }
        Frame::data(bytes)
    }

    /// Whether a raised recall can take effect before more bytes pass. A plain answer that is here already, which most are
    /// with their first bytes, is not broken: its client would have neither the answer nor a reason.
    fn is_recalled_here(&self) -> bool {
        let here = if self.last_words.is_some() { self.is_at_boundary() } else { self.begun };
        here && self.recall.as_ref().is_some_and(Recall::is_recalled)
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(self.tail.len())..];
        self.tail.rotate_left(new.len());
        let kept = self.tail.len() - new.len();
        self.tail[kept..].copy_from_slice(new);
    }

    /// Whether an event could begin here; so it can before the first byte.
    fn is_at_boundary(&self) -> bool {
        self.tail.ends_with(b"\n\n") || self.tail.ends_with(b"\r\r") || self.tail == *b"\r\n\r\n"
    }

    /// Ends it on the server's own account: with a last event where one can stand, else with an error.
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
            return self.give_up(Ending::Recalled, RelayError::Recalled);
        }
        match self.body.poll_bytes(cx) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(Ok(self.pass(bytes)))),
            Poll::Ready(None) => {
                self.finish(Ending::Complete);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let by_client = matches!(error, Cut::Request);
                self.finish(if by_client { Ending::Cancelled } else { Ending::UpstreamCut });
                self.cut = Some(error);
                // An error ends the connection at once. What came before it may still wait to be written, even the
                // head; hyper writes it when there is nothing to do for a moment.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending if self.shutdown.phase() == Phase::Forced => {
                self.give_up(Ending::ShutDown, RelayError::ShutDown)
            }
            Poll::Pending if self.recall.as_ref().is_some_and(|recall| recall.poll(cx).is_ready()) => {
                self.give_up(Ending::Recalled, RelayError::Recalled)
            }
            Poll::Pending => match self.silence.poll(cx) {
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
    /// The server drops a body that is not at its end only when its client is gone.
    fn drop(&mut self) {
        if !self.done {
            let ending = if self.body.is_end() { Ending::Complete } else { Ending::Cancelled };
            self.finish(ending);
        }
    }
}

#[cfg(test)]
mod tests;
