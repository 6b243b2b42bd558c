//! One received request, and the guard that fills it in while it arrives.

use std::sync::Arc;

use hyper::Version;

use super::journal::Journal;

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// In the order and spelling in which they came. HTTP/2 sends names in lower case, `:authority` for `host`, and its
    /// repeated names come out grouped.
    pub headers: Vec<(String, String)>,
    /// The part of the body that has arrived, without the framing of chunks.
    pub body: Vec<u8>,
    /// The number of its connection, from 1.
    pub connection: usize,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// Whether the body has arrived to its end.
    pub complete: bool,
    pub(super) ended: bool,
}

impl Received {
    /// The first value under this name, in upper or lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values under this name, in upper or lower case.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the service itself asks about its key.
    pub fn is_key_probe(&self) -> bool {
        self.header("user-agent").is_some_and(|agent| is_service(agent.as_bytes()))
    }

    /// Whether nothing more will arrive: it is complete or broken off.
    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

/// Whether a `user-agent` is the service's, which names itself only when it asks about its key.
pub(super) fn is_service(agent: &[u8]) -> bool {
    agent.starts_with(b"valetkey/")
}

/// Fills in one [`Received`]; dropped early, the request stays incomplete.
pub(super) struct Recording {
    journal: Arc<Journal>,
    /// `None` when this request is not kept.
    place: Option<usize>,
}

impl Recording {
    pub(super) fn start(journal: &Arc<Journal>, received: Option<Received>) -> Self {
        Self { journal: Arc::clone(journal), place: received.map(|received| journal.add(received)) }
    }

    pub(super) fn append(&self, bytes: &[u8]) {
        if let Some(place) = self.place {
            self.journal.change(place, |received| received.body.extend_from_slice(bytes));
        }
    }

    pub(super) fn complete(self) {
        if let Some(place) = self.place {
            self.journal.change(place, |received| received.complete = true);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.journal.change(place, |received| received.ended = true);
        }
    }
}
