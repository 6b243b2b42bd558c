//! A client in this test's own runtime, with a clock that the test moves and a keychain that it breaks.

pub mod fake_service;
pub mod keychain;
#[cfg(target_os = "linux")]
pub mod keyring_daemon;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use valetkey::client::config::ClientConfig;
use valetkey::client::device::MachineId;
use valetkey::client::error::ClientError;
use valetkey::client::keychain::{KeychainLimits, SecretStore};
use valetkey::client::proxies::ReadSystemProxies;
use valetkey::client::status::{Event, Level, Status};
use valetkey::client::{Client, ClientPorts};
use valetkey::clock::ManualClock;
use valetkey::transport::next_hop::SystemProxies;
use zeroize::Zeroizing;

use crate::client::keychain::FakeStore;
use crate::http::{self, Answer};

/// How to start a [`TestClient`].
#[derive(Clone)]
pub struct Setup {
    /// The options of the app, as JavaScript names them.
    pub options: Value,
    pub store: FakeStore,
    pub clock: ManualClock,
    pub limits: KeychainLimits,
    /// The folder of the lock by which clients take turns; by default there is none.
    pub lock_folder: Option<PathBuf>,
    pub machine_id: MachineId,
    pub extra_ca_certs: Option<PathBuf>,
    /// The system's settings; by default there is no proxy in them.
    pub system_proxies: ReadSystemProxies,
}

/// A client, and the events that it sent to the app.
pub struct TestClient {
    pub client: Client,
    pub clock: ManualClock,
    pub events: Events,
}

/// All events that an app received.
#[derive(Clone, Default)]
pub struct Events(Arc<(Mutex<Vec<Event>>, Notify)>);

impl Setup {
    /// A set-up for a service at `url`. The client checks its token every 50 ms, so that it notices a moved clock.
    pub fn new(url: &str) -> Self {
        Self {
            options: json!({
                "bootstrapUrl": format!("{url}/bootstrap"), "appId": "com.example.test", "refreshIntervalMs": 50,
            }),
            store: FakeStore::new(),
            clock: ManualClock::starting_now(),
            limits: KeychainLimits { read: Duration::from_secs(2), write: Duration::from_secs(2) },
            lock_folder: None,
            machine_id: some_machine,
            extra_ca_certs: None,
            system_proxies: Arc::new(|| SystemProxies::named("", "")),
        }
    }

    pub fn with(mut self, option: &str, value: impl Into<Value>) -> Self {
        self.options[option] = value.into();
        self
    }

    /// A set-up in which `option` has its default.
    pub fn without(mut self, option: &str) -> Self {
        self.options.as_object_mut().expect("an object").remove(option);
        self
    }

    pub async fn try_start(&self) -> Result<TestClient, ClientError> {
        self.start_into(Events::default()).await
    }

    /// As [`try_start`](Self::try_start); the events before a failure are in `events`.
    pub async fn start_into(&self, events: Events) -> Result<TestClient, ClientError> {
        self.start_with(Box::new(self.store.clone()), events).await
    }

    /// As [`start_into`](Self::start_into), with another keychain than the set-up's.
    pub async fn start_with(&self, store: Box<dyn SecretStore>, events: Events) -> Result<TestClient, ClientError> {
        let sink = events.clone();
        let ports = ClientPorts {
            clock: Arc::new(self.clock.clone()),
            store,
            keychain_limits: self.limits,
            lock_folder: self.lock_folder.clone(),
            machine_id: self.machine_id,
            extra_ca_certs: self.extra_ca_certs.clone(),
            system_proxies: Arc::clone(&self.system_proxies),
            events: Arc::new(move |event| sink.add(event)),
        };
        let client = Client::start(ClientConfig::parse(&self.options.to_string())?, ports).await?;
        Ok(TestClient { client, clock: self.clock.clone(), events })
    }

    pub async fn start(&self) -> TestClient {
        self.try_start().await.expect("the client starts")
    }

    /// The error of a start that must fail.
    pub async fn refusal(&self) -> ClientError {
        self.try_start().await.err().expect("the client must not start")
    }
}

impl TestClient {
    pub fn url(&self) -> String {
        format!("http://{}", self.client.address)
    }

    pub fn key(&self) -> String {
        self.client.launch_key.expose().to_owned()
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.key())
    }

    /// `POST /v1/messages` with the launch key.
    pub async fn messages(&self, body: impl Into<Vec<u8>>) -> Answer {
        let headers = [("authorization", self.bearer())];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        http::post(&format!("{}/v1/messages", self.url()), &headers, body).await
    }

    /// `POST /v1/messages` `count` times at once.
    pub async fn messages_at_once(&self, count: usize) -> Vec<Answer> {
        let (http, url, bearer) = (http::client(), format!("{}/v1/messages", self.url()), self.bearer());
        let calls: Vec<_> = (0..count)
            .map(|number| {
                let call = http.post(&url).header("authorization", &bearer).body(format!("body {number}"));
                tokio::spawn(http::whole(call))
            })
            .collect();
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap());
        }
        answers
    }

    /// Returns when the status fulfils `condition`; panics after 10 s.
    pub async fn wait_for(&self, what: &str, condition: impl Fn(&Status) -> bool) -> Status {
        self.events.wait(what, |_| condition(&self.client.status())).await;
        self.client.status()
    }
}

impl Events {
    fn add(&self, event: Event) {
        self.0.0.lock().unwrap().push(event);
        self.0.1.notify_waiters();
    }

    pub fn all(&self) -> Vec<Event> {
        self.0.0.lock().unwrap().clone()
    }

    pub fn statuses(&self) -> Vec<Status> {
        let status = |event| if let Event::Status(status) = event { Some(status) } else { None };
        self.all().into_iter().filter_map(status).collect()
    }

    pub fn errors(&self) -> Vec<ClientError> {
        let error = |event| if let Event::Error(error) = event { Some(error) } else { None };
        self.all().into_iter().filter_map(error).collect()
    }

    /// The lines that were sent to the app's log.
    pub fn logs(&self) -> Vec<(Level, String)> {
        let line = |event| if let Event::Log(level, line) = event { Some((level, line.into_owned())) } else { None };
        self.all().into_iter().filter_map(line).collect()
    }

    /// Returns when the events fulfil `condition`; panics after 10 s.
    pub async fn wait(&self, what: &str, condition: impl Fn(&[Event]) -> bool) {
        let fulfilled = async {
            loop {
                let told = self.0.1.notified();
                if condition(&self.all()) {
                    return;
                }
                told.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), fulfilled).await;
        assert!(waited.is_ok(), "waited for {what}; was told {:?}", self.all());
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a machine id source")]
pub fn some_machine() -> Option<Zeroizing<String>> {
    Some(Zeroizing::new("0123456789abcdef0123456789abcdef".into()))
}

pub fn some_other_machine() -> Option<Zeroizing<String>> {
    Some(Zeroizing::new("fedcba9876543210fedcba9876543210".into()))
}

/// A machine without an id, as some containers are.
pub fn no_machine() -> Option<Zeroizing<String>> {
    None
}
