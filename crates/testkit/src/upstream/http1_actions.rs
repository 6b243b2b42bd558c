//! A [`Plan`] as HTTP/1.1 writes it: the bytes of each write, and the pauses, holds and cuts between writes.

use std::io::Write;
use std::time::Duration;

use hyper::{Method, StatusCode, Version};

use super::cut::Cut;
use super::gate::Gate;
use super::plan::{Framing, Plan, Step};

/// One thing to do on an HTTP/1.1 connection.
pub(super) enum Action {
    Write(Vec<u8>),
    Pause(Duration),
    Hold(Gate),
    Cut(Cut),
}

/// The actions of one answer.
pub(super) struct Actions {
    pub(super) list: Vec<Action>,
    /// Whether the connection ends after them.
    pub(super) close: bool,
}

/// The parts of a request that decide the form of its response.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) method: &'a Method,
    pub(super) version: Version,
    pub(super) keep_alive: bool,
}

impl Actions {
    /// The actions that perform `plan` on an HTTP/1.1 connection.
    pub(super) fn new(plan: Plan, asker: Asker<'_>) -> Self {
        let Plan { status, headers, framing, together, close, steps } = plan;
        let chunked = framing == Framing::Stream && asker.version == Version::HTTP_11;
        let until_close = framing == Framing::Stream && !chunked;
        let close = close || until_close || !asker.keep_alive;
        let has_body = framing == Framing::Raw || !(*asker.method == Method::HEAD || matches!(status, 204 | 304));
        let mut writer = Writer { list: Vec::new(), due: Vec::new(), chunked };
        for step in steps {
            match step {
                Step::Head => writer.head(status, &headers, framing, close),
                Step::Piece(_) | Step::End if !has_body => {}
                Step::Piece(piece) => writer.piece(&piece, together),
                Step::End => writer.end(),
                Step::Pause(pause) => writer.between(Action::Pause(pause)),
                Step::Hold(gate) => writer.between(Action::Hold(gate)),
                Step::Cut(cut) => writer.between(Action::Cut(cut)),
            }
        }
        writer.flush();
        Self { list: writer.list, close }
    }
}

/// Collects bytes until a write is due.
struct Writer {
    list: Vec<Action>,
    due: Vec<u8>,
    chunked: bool,
}

impl Writer {
    /// The head leaves together with the first piece, as from a server that buffers.
    fn head(&mut self, status: u16, headers: &[(String, String)], framing: Framing, close: bool) {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
        self.push(format_args!("HTTP/1.1 {status} {reason}\r\n"));
        for (name, value) in headers {
            self.push(format_args!("{name}: {value}\r\n"));
        }
        match framing {
            Framing::Length(length) if status != 204 => self.push(format_args!("content-length: {length}\r\n")),
            Framing::Stream if self.chunked => self.push(format_args!("transfer-encoding: chunked\r\n")),
            _ => {}
        }
        self.push(format_args!("{}\r\n", if close { "connection: close\r\n" } else { "" }));
    }

    fn piece(&mut self, piece: &[u8], together: bool) {
        if self.chunked {
            self.push(format_args!("{:x}\r\n", piece.len()));
        }
        self.due.extend_from_slice(piece);
        if self.chunked {
            self.due.extend_from_slice(b"\r\n");
        }
        if !together {
            self.flush();
        }
    }

    fn end(&mut self) {
        if self.chunked {
            self.due.extend_from_slice(b"0\r\n\r\n");
        }
    }

    fn between(&mut self, action: Action) {
        self.flush();
        self.list.push(action);
    }

    fn flush(&mut self) {
        if !self.due.is_empty() {
            self.list.push(Action::Write(std::mem::take(&mut self.due)));
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.due.write_fmt(text).expect("writing to memory cannot fail");
    }
}
