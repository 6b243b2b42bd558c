//! A real service in this process, on a port of its own, with a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use valetkey::clock::ManualClock;
use valetkey::service::config::{Config, Flags};
use valetkey::service::keyring::KeyRing;
use valetkey::service::{Ports, Running, Service};
use valetkey::transport::shutdown::{self, Phase, ShutdownTrigger};

use super::http::{self, Answer};
use super::temporary::TemporaryFile;
use super::upstream::Upstream;
use super::usage::Recorder;

/// The key that only the upstream may ever see.
pub(crate) const REAL_KEY: &str = "sk-ant-api03-canary-real-key";

/// Stops when dropped.
pub(crate) struct TestService {
    pub url: String,
    pub usage: Arc<Recorder>,
    pub clock: ManualClock,
    pub keys: Arc<KeyRing>,
    pub trigger: ShutdownTrigger,
    running: Option<Running>,
}

impl TestService {
    /// Relays to `upstream`, with defaults.
    pub(crate) fn start(upstream: &str) -> Self {
        Self::start_with(upstream, |_| {})
    }

    /// Relays to `upstream`, with settings changed by `adjust`.
    pub(crate) fn start_with(upstream: &str, adjust: impl FnOnce(&mut Flags)) -> Self {
        let mut flags = Flags {
            port: Some("0".into()),
            workers: Some("1".into()),
            anthropic_api_key: Some(REAL_KEY.into()),
            anthropic_base_url: Some(upstream.into()),
            jwt_secret: Some("0123456789abcdef0123456789abcdef".into()),
            ..Flags::default()
        };
        adjust(&mut flags);
        let config = Config::read(&flags).expect("the test's settings are good");
        let (usage, clock) = (Recorder::shared(), ManualClock::starting_now());
        let ports = Ports { clock: Arc::new(clock.clone()), usage: Arc::clone(&usage) as _ };
        let service = Service::build(config, ports).expect("the service starts");
        let url = format!("http://{}", service.address());
        let keys = service.keys();
        let (trigger, shutdown) = shutdown::channel();
        let running = Some(service.start(&shutdown).expect("the workers start"));
        Self { url, usage, clock, keys, trigger, running }
    }

    /// Relays to this upstream, over TLS with its certificate trusted when it speaks TLS.
    pub(crate) fn before(upstream: &Upstream) -> Self {
        Self::before_with(upstream, |_| {})
    }

    /// As [`TestService::before`], with settings changed by `adjust`.
    pub(crate) fn before_with(upstream: &Upstream, adjust: impl FnOnce(&mut Flags)) -> Self {
        let root = upstream.ca_pem().map(|pem| TemporaryFile::with(pem.as_bytes()));
        Self::start_with(&upstream.url(), |flags| {
            flags.upstream_ca_file = root.as_ref().map(|root| root.path().display().to_string());
            adjust(flags);
        })
    }

    /// The whole address of a path here.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A wrapper token for a device of the test's, with its prefix.
    pub(crate) async fn token(&self) -> String {
        self.token_for("device-0001").await
    }

    /// A wrapper token for `device`, with its prefix.
    pub(crate) async fn token_for(&self, device: &str) -> String {
        let answer =
            http::post(&format!("{}/bootstrap", self.url), &[], format!(r#"{{"device_id":"{device}"}}"#)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        format!("sk-ant-proxy-{}", answer.json()["token"].as_str().unwrap())
    }

    /// `POST /v1/messages` with a token.
    pub(crate) async fn messages(&self, token: &str, body: impl Into<Vec<u8>>) -> Answer {
        http::post(&self.at("/v1/messages"), &[("authorization", &format!("Bearer {token}"))], body).await
    }

    /// The head of an answer to `POST /v1/messages`, whose body is read piece by piece.
    pub(crate) async fn open(&self, token: &str, body: impl Into<Vec<u8>>) -> reqwest::Response {
        http::open(&self.at("/v1/messages"), &[("authorization", &format!("Bearer {token}"))], body).await
    }

    /// Waits until it has ended, and panics after 10 s.
    pub(crate) async fn join(&mut self) {
        let running = self.running.take().expect("it is joined once");
        let joined = tokio::task::spawn_blocking(move || running.join());
        tokio::time::timeout(Duration::from_secs(10), joined).await.expect("an end within 10 s").unwrap();
    }

    /// Ends and waits for the end.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    /// A test that fails does not wait: a worker that never ends may be why.
    fn end(&mut self) {
        self.trigger.advance(Phase::Draining);
        self.trigger.advance(Phase::Forced);
        if let Some(running) = self.running.take().filter(|_| !std::thread::panicking()) {
            running.join();
        }
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.end();
    }
}
