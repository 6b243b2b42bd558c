//! F28: the secret that signs tokens is replaced while two instances serve, and nobody with a living token notices.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use testkit::http::{client, post};
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f28_a_rotation_under_load_refuses_no_living_token() {
    let upstream = Upstream::start();
    let fleet = [Instance::start(&upstream, &[K1]), Instance::start(&upstream, &[K1])];
    let of_k1 = fleet[0].service.token().await;
    let load = Load::start(&fleet);
    load.goes_on().await;
    // Verify only: an instance that has the new key already meets none that signs with it.
    for instance in &fleet {
        instance.write(&[K1, K2]).await;
        load.goes_on().await;
    }
    for instance in &fleet {
        instance.write(&[K2, K1]).await;
        load.goes_on().await;
        assert_eq!(instance.messages(&of_k1).await, 200);
    }
    load.give_up_tokens_of_k1().await;
    for instance in &fleet {
        instance.write(&[K2]).await;
        load.goes_on().await;
        // Some of these requests reach a worker that remembers the token.
        for _ in 0..8 {
            assert_eq!(instance.messages(&of_k1).await, 401);
        }
    }
    assert_eq!(load.end().await, Vec::<String>::new());
    for instance in &fleet {
        let figures = instance.service.keys.figures();
        assert_eq!((figures.reloaded, figures.reload_failed, figures.kids.len(), figures.unknown), (3, 0, 1, 8));
    }
}

#[tokio::test]
async fn refresh_of_an_older_keys_token_gives_one_of_the_signing_key() {
    let upstream = Upstream::start();
    let instance = Instance::start(&upstream, &[K1]);
    let old = instance.service.token().await;
    instance.write(&[K2, K1]).await;
    let answer = post(&instance.service.at("/refresh"), &[("authorization", &format!("Bearer {old}"))], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let new = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!((kid(&old), kid(&new)), ("k1".into(), "k2".into()));
    instance.write(&[K2]).await;
    assert_eq!(instance.messages(&format!("sk-ant-proxy-{new}")).await, 200);
    let late = post(&instance.service.at("/refresh"), &[("authorization", &format!("Bearer {old}"))], "").await;
    assert_eq!((late.status, late.error_code().as_str()), (401, "token_invalid"));
}

#[tokio::test]
async fn a_stream_that_is_open_when_its_key_is_retired_finishes() {
    use testkit::upstream::{Answer, Gate};
    let upstream = Upstream::start();
    let instance = Instance::start(&upstream, &[K1, K2]);
    let token = instance.service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
    let answer = instance.service.open(&token, BODY).await;
    instance.write(&[K2]).await;
    gate.open();
    assert!(answer.bytes().await.unwrap().ends_with(b"{\"type\":\"message_stop\"}\n\n"));
    assert_eq!(instance.messages(&token).await, 401);
}

#[tokio::test]
async fn f26_a_bad_file_leaves_the_service_as_it_is() {
    let upstream = Upstream::start();
    let instance = Instance::start(&upstream, &[K1]);
    let token = instance.service.token().await;
    std::fs::write(&instance.file, "k2:short\n").unwrap();
    until(|| instance.service.keys.figures().reload_failed == 1).await;
    assert_eq!(instance.messages(&token).await, 200);
    assert_eq!(instance.messages(&instance.service.token().await).await, 200);
    instance.write(&[K2, K1]).await;
    assert_eq!(instance.messages(&token).await, 200);
}

/// A service and the file that it follows.
struct Instance {
    service: TestService,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Instance {
    fn start(upstream: &Upstream, keys: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, keys.join("\n")).unwrap();
        let service = TestService::before_with(upstream, |flags| {
            flags.set("JWT_SECRET", "");
            flags.set("JWT_SECRETS_FILE", file.display().to_string());
            flags.set("WORKERS", "2");
        });
        Self { service, file, _folder: folder }
    }

    /// Replaces the file and waits until the service has seen it.
    async fn write(&self, keys: &[&str]) {
        let before = self.service.keys.figures().reloaded;
        let next = self.file.with_extension("next");
        std::fs::write(&next, keys.join("\n")).unwrap();
        std::fs::rename(next, &self.file).unwrap();
        until(|| self.service.keys.figures().reloaded > before).await;
    }

    /// The status of a request with this token, over a connection of its own.
    async fn messages(&self, token: &str) -> u16 {
        self.service.messages(token, BODY).await.status
    }
}

/// Devices that ask both instances in turn.
struct Load {
    shared: Arc<Shared>,
    devices: Vec<JoinHandle<Vec<String>>>,
}

#[derive(Default)]
struct Shared {
    urls: Vec<String>,
    asked: AtomicUsize,
    renew: AtomicBool,
    renewed: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    fn start(fleet: &[Instance]) -> Self {
        let urls = fleet.iter().map(|instance| instance.service.url.clone()).collect();
        let shared = Arc::new(Shared { urls, ..Shared::default() });
        let devices = (0..DEVICES).map(|number| tokio::spawn(device(number, Arc::clone(&shared)))).collect();
        Self { shared, devices }
    }

    /// Waits until every device has asked several times more.
    async fn goes_on(&self) {
        let before = self.shared.asked.load(Ordering::SeqCst);
        until(|| self.shared.asked.load(Ordering::SeqCst) > before + 20 * DEVICES).await;
    }

    /// Stands for the life of a token: after it each device has refreshed.
    async fn give_up_tokens_of_k1(&self) {
        self.shared.renew.store(true, Ordering::SeqCst);
        until(|| self.shared.renewed.load(Ordering::SeqCst) == DEVICES).await;
    }

    /// What went wrong.
    async fn end(self) -> Vec<String> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let mut wrong = Vec::new();
        for device in self.devices {
            wrong.extend(device.await.unwrap());
        }
        wrong
    }
}

/// One device: asks with its oldest token and its newest, and gets a new one now and then. Answers what was refused.
async fn device(number: usize, shared: Arc<Shared>) -> Vec<String> {
    let (client, mut wrong) = (client(), Vec::new());
    let ask = json!({ "device_id": format!("device-{number:04}") });
    let first = fresh(client.post(format!("{}/bootstrap", shared.urls[0])).json(&ask)).await;
    let (mut oldest, mut newest) = (first.clone(), first);
    let mut renewed = false;
    for (number, url) in shared.urls.iter().cycle().enumerate() {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let renews = shared.renew.load(Ordering::SeqCst) && !renewed;
        if renews || number % 41 == 0 {
            newest = fresh(client.post(format!("{url}/refresh")).bearer_auth(&newest)).await;
        }
        if renews {
            oldest = newest.clone();
            renewed = true;
            shared.renewed.fetch_add(1, Ordering::SeqCst);
        }
        for token in [&oldest, &newest] {
            let request = client.post(format!("{url}/v1/messages")).bearer_auth(format!("sk-ant-proxy-{token}"));
            let status = request.body(BODY).send().await.unwrap().status();
            if status != 200 {
                wrong.push(format!("{status} for {}", kid(token)));
            }
        }
        shared.asked.fetch_add(1, Ordering::SeqCst);
    }
    wrong
}

/// A token by bootstrap, or by refresh of another one.
async fn fresh(request: RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
}

/// The key that a token names.
fn kid(token: &str) -> String {
    let token = token.trim_start_matches("sk-ant-proxy-");
    let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it comes true within 20 s");
}

const DEVICES: usize = 8;
const K1: &str = "k1:Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe";
const K2: &str = "k2:b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A";
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
