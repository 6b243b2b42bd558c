//! The state that all connections share, and the choice of the answer to a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Method;

use super::answer::Answer;
use super::benchmark::Benchmark;
use super::journal::Journal;
use super::objects::Objects;
use super::script::Script;
use super::{api, control};

/// One server's script, journal and key.
pub(super) struct Stage {
    pub(super) script: Script,
    /// The answers to requests about models.
    pub(super) models: Script,
    pub(super) journal: Arc<Journal>,
    pub(super) benchmark: Benchmark,
    objects: Objects,
    key: Option<String>,
    messages_only: bool,
    record: bool,
    numbers: AtomicUsize,
}

/// The parts of a request that are known before its body.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) target: String,
    /// Whether the request has the right key.
    pub(super) admitted: bool,
    /// Whether the request is the service's own question about its key.
    pub(super) is_key_probe: bool,
}

impl Stage {
    pub(super) fn new(key: Option<String>, messages_only: bool, record: bool) -> Self {
        let (script, models) = (Script::default(), Script::default());
        let (journal, numbers) = (Arc::default(), AtomicUsize::default());
        let (benchmark, objects) = (Benchmark::prepare(), Objects::default());
        Self { script, models, journal, benchmark, objects, key, messages_only, record, numbers }
    }

    /// Whether exactly the expected key was sent, once.
    pub(super) fn admits<'a>(&self, mut keys: impl Iterator<Item = &'a [u8]>) -> bool {
        let Some(expected) = &self.key else {
            return true;
        };
        keys.next() == Some(expected.as_bytes()) && keys.next().is_none()
    }

    /// Whether this request goes into the journal.
    pub(super) fn records(&self, call: &Call) -> bool {
        self.record && call.is_api()
    }

    /// The answer that does not depend on the body. Taken when the head is there, so that answers are used in the
    /// order of [`Journal::requests`].
    pub(super) fn cue(&self, call: &Call) -> Option<Answer> {
        if !call.is_api() {
            return None;
        }
        if !call.admitted {
            return Some(Answer::error(401, "authentication_error", "invalid x-api-key"));
        }
        if self.messages_only && !call.is_for_messages() {
            return Some(Answer::error(403, "permission_error", "api_key_scope_missing"));
        }
        if call.is_key_probe {
            return self.script.key_probe();
        }
        match call.method {
            Method::POST => self.script.take(),
            _ if call.path().starts_with("/v1/models") => self.models.take(),
            _ => None,
        }
    }

    /// The answer without a script.
    pub(super) fn answer(&self, call: &Call, body: &[u8]) -> Answer {
        match call.path() {
            path if path.starts_with("/_stand_in/") => control::answer(self, call, body),
            _ => self.objects.answer(call, body).unwrap_or_else(|| api::answer(call, body)),
        }
    }

    /// The number of the next response.
    pub(super) fn number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Call {
    /// The target without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    fn is_for_messages(&self) -> bool {
        matches!(self.path(), "/v1/messages" | "/v1/messages/count_tokens")
    }

    /// Whether the request is for the API that this server plays; only such requests are recorded and counted.
    pub(super) fn is_api(&self) -> bool {
        self.target.starts_with("/v1/")
    }
}
