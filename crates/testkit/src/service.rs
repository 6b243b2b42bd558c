//! A real service in this process, on a port of its own, with a clock that the test moves.

pub mod forge;
pub mod intake;
pub mod limiter;
pub mod otlp;
pub mod prover;
pub mod recorder;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use valetkey::clock::ManualClock;
use valetkey::service::Service;
use valetkey::service::ServiceHandle;
use valetkey::service::ServicePorts;
use valetkey::service::config::{Config, Flags};
use valetkey::service::telemetry::otlp::Otlp;
use valetkey::service::token::keyring::KeyRing;
use valetkey::transport::shutdown::{self, Phase, ShutdownTrigger};

use crate::http::{self, Answer};
use crate::service::recorder::Recorder;
use crate::temporary::TemporaryFile;
use crate::upstream::Upstream;

/// The key that only the upstream may ever see.
pub const REAL_KEY: &str = "sk-ant-api03-canary-real-key";

/// A running service, which stops when dropped.
pub struct TestService {
    pub url: String,
    pub usage: Arc<Recorder>,
    pub clock: ManualClock,
    pub keys: Arc<KeyRing>,
    pub otlp: Option<Arc<Otlp>>,
    pub trigger: ShutdownTrigger,
    admin_url: String,
    metrics_url: Option<String>,
    running: Option<ServiceHandle>,
    _folder: TempDir,
}

/// The admin token of every test service.
pub const ADMIN_TOKEN: &str = "canary-admin-token-of-32-random-bytes";

impl TestService {
    /// Relays to `upstream`, with defaults.
    pub fn start(upstream: &str) -> Self {
        Self::start_with(upstream, |_| {})
    }

    /// Relays to `upstream`, with settings changed by `adjust`.
    pub fn start_with(upstream: &str, adjust: impl FnOnce(&mut Flags)) -> Self {
        Self::start_in(upstream, adjust, |_| {})
    }

    /// As [`TestService::start_with`], with ports changed by `change`.
    pub fn start_in(upstream: &str, adjust: impl FnOnce(&mut Flags), change: impl FnOnce(&mut ServicePorts)) -> Self {
        let folder = TempDir::new().expect("a folder for its database");
        let database = format!("sqlite:{}", folder.path().join("valetkey.db").display());
        let mut flags = Flags::of([
            ("PORT", "0"),
            ("ADMIN_PORT", "0"),
            ("ADMIN_TOKEN", ADMIN_TOKEN),
            ("DATABASE_URL", database.as_str()),
            ("RATE_LIMIT_MAX", "0"),
            ("WORKERS", "1"),
            ("ANTHROPIC_API_KEY", REAL_KEY),
            ("ANTHROPIC_BASE_URL", upstream),
            ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ]);
        adjust(&mut flags);
        let mut config = Config::read(&flags).expect("the test's settings are good");
        // With PostgreSQL the default is a folder in the working folder of the tests.
        config.stores.spill = folder.path().join(&config.stores.spill);
        let (usage, clock) = (Recorder::shared(), ManualClock::starting_now());
        let mut ports = ServicePorts { clock: Arc::new(clock.clone()), usage: Arc::clone(&usage) as _, reports: None };
        change(&mut ports);
        let service = Service::build(config, ports).expect("the service starts");
        let (url, admin_url, metrics_url) = (service.url(), service.admin_url(), service.metrics_url());
        let (keys, otlp) = (service.keys(), service.otlp());
        let (trigger, shutdown) = shutdown::channel();
        let running = Some(service.start(&shutdown).expect("the workers start"));
        Self { url, usage, clock, keys, otlp, trigger, admin_url, metrics_url, running, _folder: folder }
    }

    /// Relays to this upstream, over TLS with its certificate trusted when it speaks TLS.
    pub fn before(upstream: &Upstream) -> Self {
        Self::before_with(upstream, |_| {})
    }

    /// As [`TestService::before`], with settings changed by `adjust`.
    pub fn before_with(upstream: &Upstream, adjust: impl FnOnce(&mut Flags)) -> Self {
        let root = upstream.ca_pem().map(|pem| TemporaryFile::with(pem.as_bytes()));
        Self::start_with(&upstream.url(), |flags| {
            if let Some(root) = &root {
                flags.set("UPSTREAM_CA_FILE", root.path().display().to_string());
            }
            adjust(flags);
        })
    }

    /// A request to the admin listener, with the admin token.
    pub async fn admin(&self, method: &str, path: &str, body: Option<serde_json::Value>) -> Answer {
        let request = http::client().request(method.parse().unwrap(), format!("{}{path}", self.admin_url));
        let request = request.bearer_auth(ADMIN_TOKEN);
        http::whole(body.into_iter().fold(request, |request, body| request.json(&body))).await
    }

    /// The time by the service's clock, in seconds.
    pub fn unix_seconds(&self) -> u64 {
        use valetkey::clock::Clock;
        self.clock.unix_seconds()
    }

    /// Polls until `is_so` holds; panics after 10 s.
    pub async fn until(&self, is_so: impl AsyncFn() -> bool) {
        let asking = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), asking).await.expect("the condition holds within 10 s");
    }

    /// The address of the admin listener.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The address of the listener with metrics alone, if there is one.
    pub fn metrics_url(&self) -> Option<&str> {
        self.metrics_url.as_deref()
    }

    /// The address of `path` at this service.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// A wrapper token for `device-0001`, with its prefix.
    pub async fn token(&self) -> String {
        self.token_for("device-0001").await
    }

    /// A wrapper token for `device`, with its prefix.
    pub async fn token_for(&self, device: &str) -> String {
        let answer =
            http::post(&format!("{}/bootstrap", self.url), &[], format!(r#"{{"device_id":"{device}"}}"#)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        format!("sk-ant-proxy-{}", answer.json()["token"].as_str().unwrap())
    }

    /// `POST /v1/messages` with a token.
    pub async fn messages(&self, token: &str, body: impl Into<Vec<u8>>) -> Answer {
        http::post(&self.at("/v1/messages"), &[("authorization", &format!("Bearer {token}"))], body).await
    }

    /// The head of an answer to `POST /v1/messages`, whose body is read piece by piece.
    pub async fn open(&self, token: &str, body: impl Into<Vec<u8>>) -> reqwest::Response {
        http::open(&self.at("/v1/messages"), &[("authorization", &format!("Bearer {token}"))], body).await
    }

    /// Waits until the service has ended; panics after 10 s.
    pub async fn join(&mut self) {
        let running = self.running.take().expect("it is joined once");
        let joined = tokio::task::spawn_blocking(move || running.join());
        tokio::time::timeout(Duration::from_secs(10), joined).await.expect("an end within 10 s").unwrap();
    }

    /// Stops the service and waits for its end.
    pub fn stop(mut self) {
        self.end();
    }

    /// Stops the service. A failing test does not wait for the end: a worker that never ends may be the failure.
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

/// The metrics page of a service.
pub async fn metrics(service: &TestService) -> String {
    service.admin("GET", "/metrics", None).await.text()
}
