//! A scripted server that plays Anthropic's API on 127.0.0.1 and misbehaves on purpose.
//!
//! The program `stand_in` runs it alone. Without a script it answers like a small, friendly API. HTTP/1.1 is written by hand because an answer must be able to go wrong at an exact byte; HTTP/2 is hyper's.

use std::io;
use std::sync::Arc;
use std::time::Instant;

mod answer;
mod answer_body;
mod answer_spec;
mod api;
mod benchmark;
mod certificate;
mod control;
mod cut;
mod gate;
mod http1;
mod http1_actions;
mod http1_body;
mod http1_head;
mod http2;
mod http2_body;
mod journal;
mod listener;
mod message;
mod objects;
mod objects_batch;
mod objects_file;
mod open_answer;
mod plan;
mod recording;
mod script;
mod stage;
mod wire;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use certificate::Certificate;
pub use cut::Cut;
pub use gate::Gate;
pub use recording::Received;

use listener::Listener;
use stage::Stage;

/// How to start an [`Upstream`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The ALPN names to offer over TLS; `None` for plain HTTP/1.1.
    pub tls: Option<Vec<String>>,
    /// The only `x-api-key` that is accepted; `None` accepts every request.
    pub key: Option<String>,
    /// Whether the key's scope is Messages alone: everything else is a 403.
    pub messages_only: bool,
    /// Threads that share the listener, each with its own runtime.
    pub threads: usize,
    /// Whether requests are kept for [`Upstream::requests`]. A benchmark would fill the memory with them.
    pub record: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: 0, tls: None, key: None, messages_only: false, threads: 1, record: true }
    }
}

/// A running stand-in for api.anthropic.com; stops, with all its connections, when dropped.
pub struct Upstream {
    stage: Arc<Stage>,
    listener: Listener,
    ca_pem: Option<String>,
}

impl Upstream {
    /// Plain HTTP/1.1 on a free port.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// HTTPS on a free port, with a certificate for localhost and 127.0.0.1 from a root made for this server alone.
    pub fn start_tls(alpn: &[&str]) -> Self {
        let names = alpn.iter().map(ToString::to_string).collect();
        Self::start_with(Options { tls: Some(names), ..Options::default() })
    }

    /// As [`Upstream::try_start`]; panics when the start fails.
    pub fn start_with(options: Options) -> Self {
        Self::try_start(options).expect("the stand-in upstream cannot start")
    }

    /// Starts with these options; fails when the port is taken.
    pub fn try_start(options: Options) -> io::Result<Self> {
        let certificate = options.tls.as_deref().map(Certificate::generate);
        let stage = Arc::new(Stage::new(options.key, options.messages_only, options.record));
        let tls = certificate.as_ref().map(|certificate| &certificate.server);
        let listener = Listener::start(options.port, options.threads, tls, &stage)?;
        Ok(Self { stage, listener, ca_pem: certificate.map(|certificate| certificate.root_pem) })
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS.
    pub fn url(&self) -> String {
        let origin = if self.ca_pem.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        format!("{origin}:{}", self.port())
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.listener.port
    }

    /// The root certificate to trust, when it speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Answers one following `POST /v1/…` with this; several are used in the order they were given.
    pub fn answer_next(&self, answer: Answer) {
        self.stage.script.next(answer);
    }

    /// Answers every following `POST /v1/…` with this, after those of [`Upstream::answer_next`].
    pub fn answer_always(&self, answer: Answer) {
        self.stage.script.always(answer);
    }

    /// Answers the service's own questions about its key with this; they get no other answer of the script.
    pub fn answer_key_probes(&self, answer: Answer) {
        self.stage.script.key_probes(answer);
    }

    /// How often the service has asked about its key.
    pub fn key_probes(&self) -> usize {
        self.requests().iter().filter(|received| received.is_key_probe()).count()
    }

    /// Answers one following `GET /v1/models…` with this; several are used in the order they were given.
    pub fn answer_models_next(&self, answer: Answer) {
        self.stage.models.next(answer);
    }

    /// All requests under `/v1`, in the order their heads arrived; also those that are still arriving.
    pub fn requests(&self) -> Vec<Received> {
        self.stage.journal.requests()
    }

    /// Returns when `count` requests have ended: arrived complete, or broken off. Panics after 10 s.
    pub async fn wait_for_requests(&self, count: usize) {
        let ended = |requests: &[Received]| requests.iter().filter(|received| received.has_ended()).count() >= count;
        self.wait_until(&format!("{count} requests"), ended).await;
    }

    /// Returns when `condition` holds for the received requests, for instance for a part of a body. Panics after 10 s.
    pub async fn wait_until(&self, what: &str, condition: impl Fn(&[Received]) -> bool) {
        self.stage.journal.wait_for(what, |journal| journal.look_at_requests(&condition)).await;
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.stage.journal.connections()
    }

    /// Answers in progress: from the end of the request to the end of the answer.
    pub fn open_streams(&self) -> usize {
        self.stage.journal.open_answers()
    }

    /// Returns when exactly `count` answers are in progress. Panics after 10 s.
    pub async fn wait_for_open_streams(&self, count: usize) {
        let what = format!("{count} answers in progress");
        self.stage.journal.wait_for(&what, |journal| journal.open_answers() == count).await;
    }

    /// Returns when a peer has left an unfinished answer: the instant at which this server noticed. Each is reported
    /// once, the earliest first. Panics after 10 s.
    pub async fn wait_for_abandoned(&self) -> Instant {
        let abandoned = |journal: &journal::Journal| journal.take_abandoned();
        self.stage.journal.wait_for_some("an abandoned answer", abandoned).await
    }
}
