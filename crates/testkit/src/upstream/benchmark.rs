//! The answers of the benchmark and of other loads, made once: a request costs a search for its model and a write.

use std::time::Duration;

use hyper::{Method, Version};
use memchr::memmem::Finder;

use super::answer::Answer;
use super::http1_actions::{Action, Actions, Asker};
use super::message::{Message, Usage};
use super::plan::Plan;
use super::stage::Call;

/// The prepared answers, by the last part of the model's name.
pub(super) struct Benchmark {
    prefix: Finder<'static>,
    models: [(&'static [u8], Prepared); 4],
}

/// An answer of ready bytes, except for the number in its `request-id`.
pub(super) struct Prepared {
    answer: Answer,
    actions: Vec<Action>,
    number_at: usize,
}

impl Benchmark {
    pub(super) fn prepare() -> Self {
        let prefix = Finder::new(b"\"stand-in-");
        let models = [
            (&b"small\""[..], Prepared::new(small())),
            (&b"burst\""[..], Prepared::new(events("stand-in-burst").in_one_write())),
            (&b"spaced\""[..], Prepared::new(events("stand-in-spaced").spaced(Duration::from_millis(10)))),
            // It lasts 16 s: a test ends it early.
            (&b"slow\""[..], Prepared::new(events("stand-in-slow").spaced(Duration::from_millis(300)))),
        ];
        Self { prefix, models }
    }

    /// The prepared answer for this request, when it asks for one of the benchmark's models near the start.
    pub(super) fn find(&self, call: &Call, body: &[u8]) -> Option<&Prepared> {
        if call.method != Method::POST || call.path() != "/v1/messages" {
            return None;
        }
        let start = &body[..body.len().min(MODEL_WITHIN)];
        let name = &start[self.prefix.find(start)? + self.prefix.needle().len()..];
        self.models.iter().find(|(model, _)| name.starts_with(model)).map(|(_, prepared)| prepared)
    }
}

impl Prepared {
    fn new(answer: Answer) -> Self {
        let asker = Asker { method: &Method::POST, version: Version::HTTP_11, keep_alive: true };
        let numbered = answer.clone().header("request-id", &format!("req_stand_in_{:0DIGITS$}", 0));
        let actions = Actions::new(Plan::new(numbered, 0), asker).list;
        let Some(Action::Write(first)) = actions.first() else { unreachable!("these answers begin with their head") };
        let id = memchr::memmem::find(first, REQUEST_ID).expect("the header was just added");
        Self { answer, actions, number_at: id + REQUEST_ID.len() }
    }

    /// The first write of the answer with this number, into memory that can be used again.
    pub(super) fn copy_first_write(&self, number: usize, first: &mut Vec<u8>) {
        first.clear();
        if let Some(Action::Write(bytes)) = self.actions.first() {
            first.extend_from_slice(bytes);
        }
        let mut number = number;
        for digit in first[self.number_at..self.number_at + DIGITS].iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).expect("a digit");
            number /= 10;
        }
    }

    /// The prepared answer as an [`Answer`], for HTTP/2.
    pub(super) fn answer(&self) -> Answer {
        self.answer.clone()
    }

    /// The actions after the first write.
    pub(super) fn rest(&self) -> &[Action] {
        &self.actions[1..]
    }
}

fn small() -> Answer {
    let text =
        "The stand-in says the same thing every time, in about as many words as a short answer needs. ".repeat(2);
    let message = Message { id: "msg_stand_in", model: "stand-in-small", text: text.trim_end(), usage: USAGE };
    Answer::whole(200, "application/json", message.json().into_bytes())
}

/// 55 events: 49 deltas and the six around them.
fn events(model: &str) -> Answer {
    let text = vec!["one-word-of-this-answer-is-about-forty-bytes-long"; EVENTS - 6].join(" ");
    Answer::stream(Message { id: "msg_stand_in", model, text: &text, usage: USAGE }.events())
}

const EVENTS: usize = 55;
const MODEL_WITHIN: usize = 512;
const DIGITS: usize = 12;
const REQUEST_ID: &[u8] = b"request-id: req_stand_in_";
const USAGE: Usage = Usage { input: 25, written_5m: 4, written_1h: 6, read: 7 };
