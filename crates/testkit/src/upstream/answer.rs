//! The answers that a test wants from the upstream, and the ways they fail.

use std::time::Duration;

use serde_json::Value;

use super::answer_body::Body;
use super::cut::Cut;
use super::gate::Gate;
use super::message::{Message, Usage};

/// One answer of the upstream, built from a constructor and any number of modifiers.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) status: u16,
    /// The headers that the body calls for.
    pub(super) defaults: Vec<(String, String)>,
    /// The headers that the test adds; they replace defaults.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) piece_size: Option<usize>,
    pub(super) together: bool,
    pub(super) pause: Duration,
    pub(super) delay: Duration,
    pub(super) head_gate: Option<Gate>,
    pub(super) holds: Vec<(usize, Gate)>,
    pub(super) cut: Option<(usize, Cut)>,
    pub(super) gzip: bool,
    pub(super) close: bool,
    pub(super) reading: Reading,
}

/// When the request's body is read.
#[derive(Debug, Clone)]
pub(super) enum Reading {
    First,
    After(Gate),
    Never,
}

impl Answer {
    #[expect(clippy::needless_pass_by_value, reason = "it is called with json!(…)")]
    pub fn json(status: u16, body: Value) -> Self {
        Self::whole(status, "application/json", body.to_string().into_bytes())
    }

    /// Anthropic's error envelope; its `request_id` is the `request-id` header's.
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        let body = Body::Error { kind: kind.to_owned(), message: message.to_owned() };
        Self::of(status, body).default_header("content-type", "application/json")
    }

    /// The HTML page of a load balancer in front of the API.
    pub fn html(status: u16) -> Self {
        let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1>cloudflare</body></html>");
        Self::whole(status, "text/html; charset=UTF-8", page.into_bytes())
    }

    /// A body of any type.
    pub fn whole(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self::of(status, Body::Whole(body)).default_header("content-type", content_type)
    }

    /// Server-sent events, each with its blank line, each a piece: its own chunk and its own write.
    pub fn stream(events: Vec<String>) -> Self {
        let answer = Self::of(200, Body::Events(events)).default_header("cache-control", "no-cache");
        answer.default_header("content-type", "text/event-stream; charset=utf-8")
    }

    /// A complete message of [`Answer::MODEL`]: 25 input tokens, 4 written to the 5-minute cache and 6 to the 1-hour
    /// cache, 7 read from it, and one output token per word. Its pieces: `message_start`, `ping`,
    /// `content_block_start`, one delta per word, `content_block_stop`, `message_delta`, `message_stop`.
    pub fn message_stream(text: &str) -> Self {
        Self::message_stream_of(Self::MODEL, text)
    }

    /// As [`Answer::message_stream`], from another model.
    pub fn message_stream_of(model: &str, text: &str) -> Self {
        let usage = Usage { input: 25, written_5m: 4, written_1h: 6, read: 7 };
        Self::stream(Message { id: "msg_stand_in", model, text, usage }.events())
    }

    /// The model of [`Answer::message_stream`].
    pub const MODEL: &str = "claude-sonnet-5-5";

    /// These bytes instead of a response, then the end of the connection. HTTP/1.1 only; HTTP/2 resets the stream.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self::of(200, Body::Raw(bytes)).close_after()
    }

    /// Answers with this status, whatever the body is.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header; it replaces the header that the server itself would send under that name, `content-length` too.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The pieces stay apart (each event its chunk), but all up to the next pause, hold or cut leave in one write.
    pub fn in_one_write(mut self) -> Self {
        self.together = true;
        self
    }

    /// Cuts the body into pieces of one byte.
    pub fn byte_by_byte(self) -> Self {
        self.in_pieces(1)
    }

    /// Cuts the body into pieces of `size` bytes, wherever the events end.
    pub fn in_pieces(mut self, size: usize) -> Self {
        self.piece_size = Some(size.max(1));
        self
    }

    /// Waits for `pause` between pieces.
    pub fn spaced(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Waits before the head.
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends nothing before the gate is open.
    pub fn hold_before_head(mut self, gate: Gate) -> Self {
        self.head_gate = Some(gate);
        self
    }

    /// Stops after that many pieces until the gate is open; 0 is between the head and the first piece.
    pub fn hold_after(mut self, pieces: usize, gate: Gate) -> Self {
        self.holds.push((pieces, gate));
        self
    }

    /// Ends the connection after that many pieces; after the last one it is before the final chunk.
    pub fn cut_after(mut self, pieces: usize, cut: Cut) -> Self {
        self.cut = Some((pieces, cut));
        self
    }

    /// Compresses the body as one gzip stream that is flushed after each event.
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self.default_header("content-encoding", "gzip")
    }

    /// Sends `connection: close` and closes.
    pub fn close_after(mut self) -> Self {
        self.close = true;
        self
    }

    /// Keeps the connection after [`Answer::raw`] bytes that are a whole response, or more than one.
    pub fn keep_open(mut self) -> Self {
        self.close = false;
        self
    }

    /// Answers without reading the request's body, and closes, as the 413 of a load balancer does.
    pub fn before_body(mut self) -> Self {
        self.reading = Reading::Never;
        self.close_after()
    }

    /// Leaves the request's body in the socket until the gate is open, so that the sender feels backpressure.
    pub fn hold_before_body(mut self, gate: Gate) -> Self {
        self.reading = Reading::After(gate);
        self
    }

    fn default_header(mut self, name: &str, value: &str) -> Self {
        self.defaults.push((name.to_owned(), value.to_owned()));
        self
    }

    fn of(status: u16, body: Body) -> Self {
        Self {
            status,
            defaults: Vec::new(),
            headers: Vec::new(),
            body,
            piece_size: None,
            together: false,
            pause: Duration::ZERO,
            delay: Duration::ZERO,
            head_gate: None,
            holds: Vec::new(),
            cut: None,
            gzip: false,
            close: false,
            reading: Reading::First,
        }
    }
}
