//! One HTTP/1.1 connection: requests in, answers out, until one of the two sides ends it.

use std::io;
use std::sync::Arc;

use bytes::Buf;

use super::answer::{Answer, Reading};
use super::benchmark::Prepared;
use super::cut::Cut;
use super::http1_actions::{Action, Actions, Asker};
use super::http1_body::RequestBody;
use super::http1_head::{Head, Parsed, RequestFraming};
use super::open_answer::OpenAnswer;
use super::plan::Plan;
use super::recording::Recording;
use super::stage::Stage;
use super::wire::{Ending, Socket, Wire};

/// Serves this connection to its end.
pub(super) async fn serve<S: Socket>(socket: S, number: usize, stage: Arc<Stage>) {
    let mut connection = Connection { wire: Wire::new(socket), stage, number, body: Vec::new(), first: Vec::new() };
    loop {
        match connection.exchange().await {
            Ok(None) => {}
            Ok(Some(ending)) => return connection.wire.end(ending).await,
            Err(_) => return, // the peer has gone; guards have recorded that
        }
    }
}

struct Connection<S> {
    wire: Wire<S>,
    stage: Arc<Stage>,
    number: usize,
    /// The body of the current request; kept to reuse its memory.
    body: Vec<u8>,
    /// The first write of a prepared answer; kept to reuse its memory.
    first: Vec<u8>,
}

/// Whether the connection goes on, and if not, how it ends; an error when the peer has left.
type Outcome = io::Result<Option<Ending>>;

impl<S: Socket> Connection<S> {
    async fn exchange(&mut self) -> Outcome {
        let head = loop {
            match Head::parse(&self.wire.ahead, &self.stage) {
                Parsed::Head(head, length) => {
                    self.wire.ahead.advance(length);
                    break head;
                }
                Parsed::Malformed(problem) => return self.refuse(problem).await,
                Parsed::Partial if self.wire.read_ahead().await? => {}
                Parsed::Partial => return Ok(Some(Ending::Close)),
            }
        };
        self.answer(head).await
    }

    async fn answer(&mut self, mut head: Head) -> Outcome {
        let stage = Arc::clone(&self.stage);
        let recording = Recording::start(&stage.journal, head.received(self.number));
        let cue = stage.cue(&head.call);
        self.body.clear();
        match cue.as_ref().map_or(&Reading::First, |answer| &answer.reading) {
            Reading::Never => drop(recording),
            reading => {
                if let Reading::After(gate) = reading {
                    gate.wait().await;
                }
                match self.read_body(&head, recording).await {
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        return self.refuse(&error.to_string()).await;
                    }
                    read => read?,
                }
            }
        }
        let mut open = head.call.is_api().then(|| OpenAnswer::start(&stage.journal));
        let prepared = if cue.is_none() { stage.benchmark.find(&head.call, &self.body) } else { None };
        let ending = if let Some(prepared) = prepared {
            self.play_prepared(prepared, head.keep_alive).await?
        } else {
            let answer = cue.unwrap_or_else(|| stage.answer(&head.call, &self.body));
            self.play_answer(answer, &head).await?
        };
        if let Some(open) = &mut open {
            open.finish();
        }
        Ok(ending)
    }

    async fn read_body(&mut self, head: &Head, recording: Recording) -> io::Result<()> {
        if head.expects_continue && head.framing != RequestFraming::Length(0) {
            self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        RequestBody { wire: &mut self.wire, bytes: &mut self.body, recording: &recording }.read(head.framing).await?;
        recording.complete();
        Ok(())
    }

    async fn refuse(&mut self, problem: &str) -> Outcome {
        let answer = Answer::error(400, "invalid_request_error", problem).close_after();
        let asker = Asker { method: &hyper::Method::GET, version: hyper::Version::HTTP_11, keep_alive: false };
        let actions = Actions::new(Plan::new(answer, self.stage.number()), asker);
        self.play(&actions.list).await?;
        Ok(Some(Ending::Close))
    }

    async fn play_answer(&mut self, answer: Answer, head: &Head) -> Outcome {
        let asker = Asker { method: &head.call.method, version: head.version, keep_alive: head.keep_alive };
        let actions = Actions::new(Plan::new(answer, self.stage.number()), asker);
        let cut = self.play(&actions.list).await?;
        Ok(cut.or(actions.close.then_some(Ending::Close)))
    }

    async fn play_prepared(&mut self, prepared: &Prepared, keep_alive: bool) -> Outcome {
        prepared.copy_first_write(self.stage.number(), &mut self.first);
        self.wire.write(&self.first).await?;
        self.play(prepared.rest()).await?;
        Ok((!keep_alive).then_some(Ending::Close))
    }

    async fn play(&mut self, actions: &[Action]) -> Outcome {
        for action in actions {
            match action {
                Action::Write(bytes) => self.wire.write(bytes).await?,
                Action::Pause(pause) => self.wire.wait(tokio::time::sleep(*pause)).await?,
                Action::Hold(gate) => self.wire.wait(gate.wait()).await?,
                Action::Cut(Cut::Reset) => return Ok(Some(Ending::Reset)),
                Action::Cut(Cut::Fin | Cut::Stream) => return Ok(Some(Ending::Fin)),
            }
        }
        Ok(None)
    }
}
