//! The body of an HTTP/2 response that performs its answer's steps.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc::UnboundedSender;

use super::cut::Cut;
use super::open_answer::OpenAnswer;
use super::plan::Step;

/// Plays the steps as hyper asks for frames; hyper drops it when the peer resets the stream or leaves.
pub(super) struct PlayedBody {
    steps: std::vec::IntoIter<Step>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    open: Option<OpenAnswer>,
    cuts: UnboundedSender<Cut>,
}

impl PlayedBody {
    pub(super) fn new(steps: Vec<Step>, open: Option<OpenAnswer>, cuts: UnboundedSender<Cut>) -> Self {
        Self { steps: steps.into_iter(), waiting: None, open, cuts }
    }

    /// Plays the steps before the head. An error, for an answer without a head, resets the stream.
    pub(super) async fn play_to_head(&mut self) -> io::Result<()> {
        for step in self.steps.by_ref() {
            match step {
                Step::Head => return Ok(()),
                Step::Pause(pause) => tokio::time::sleep(pause).await,
                Step::Hold(gate) => gate.wait().await,
                Step::Piece(_) | Step::Cut(_) | Step::End => break,
            }
        }
        self.finish();
        Err(io::Error::other("this answer is for HTTP/1.1 only"))
    }

    fn finish(&mut self) {
        if let Some(open) = &mut self.open {
            open.finish();
        }
    }
}

impl Body for PlayedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            match self.steps.next() {
                Some(Step::Piece(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Some(Step::Pause(pause)) => self.waiting = Some(Box::pin(tokio::time::sleep(pause))),
                Some(Step::Hold(gate)) => self.waiting = Some(Box::pin(gate.passed())),
                Some(Step::Cut(Cut::Stream)) => {
                    self.finish();
                    return Poll::Ready(Some(Err(io::Error::other("cut by the test"))));
                }
                Some(Step::Cut(cut)) => {
                    self.finish();
                    // The connection's own task ends it, after it has sent what is ready.
                    let _ = self.cuts.send(cut);
                    return Poll::Pending;
                }
                Some(Step::Head) => {}
                Some(Step::End) | None => {
                    self.finish();
                    return Poll::Ready(None);
                }
            }
        }
    }
}
