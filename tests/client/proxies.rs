//! The HTTP proxies of a company between this machine and the service: named by the app or by the system, changed while the client
//! runs, with a password, and with an authority of their own that signs certificates.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use valetkey::client::error::ClientError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::Level;
use valetkey::transport::next_hop::SystemProxies;

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Events, Setup, TestClient};
use testkit::http::connect_proxy::ConnectProxy;
use testkit::upstream::Certificate;

use crate::network::TlsFront;

/// A service with TLS that only a proxy reaches: no DNS knows its name.
struct Hidden {
    service: FakeService,
    front: TlsFront,
}

impl Hidden {
    async fn start() -> Self {
        let service = FakeService::start().await;
        let front = TlsFront::before(&service).await;
        Self { service, front }
    }

    fn port(&self) -> u16 {
        self.front.port
    }

    /// A set-up that trusts the certificate.
    fn setup(&self) -> Setup {
        Setup::new(&format!("https://{NAME}")).with("ca", self.front.root_pem.as_str())
    }

    /// A set-up with this option `proxy`.
    fn through(&self, proxy: &str) -> Setup {
        self.setup().with("proxy", proxy)
    }
}

/// A port of this machine on which nothing listens.
async fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

fn shown(client: &TestClient) -> Option<String> {
    client.client.status().network.proxy
}

/// The proxies that the statuses told, each once in a row.
fn told(events: &Events) -> Vec<Option<String>> {
    let mut told: Vec<_> = events.statuses().into_iter().map(|status| status.network.proxy).collect();
    told.dedup();
    told
}

#[tokio::test]
async fn f111_the_proxy_that_the_app_names_carries_both_kinds_of_calls_and_is_told() {
    let hidden = Hidden::start().await;
    let proxy = ConnectProxy::to(hidden.port()).await;
    let client = hidden.through(&proxy.url()).start().await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((hidden.service.count(Route::Bootstrap), hidden.service.count(Route::V1)), (1, 1));
    assert_eq!(shown(&client), Some(proxy.url()));
    let heads = proxy.heads();
    let expected = format!("CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}:443\r\n\r\n");
    assert!(heads.len() == 2 && heads.iter().all(|head| *head == expected), "{heads:?}");
}

#[tokio::test]
async fn f111_of_a_list_the_first_proxy_that_can_be_reached_is_used() {
    let hidden = Hidden::start().await;
    let (proxy, spare) = (ConnectProxy::to(hidden.port()).await, ConnectProxy::to(hidden.port()).await);
    let dead = dead_port().await;
    let list = format!(
        "SOCKS5 127.0.0.1:1; PROXY 127.0.0.1:{dead}; PROXY 127.0.0.1:{}; PROXY 127.0.0.1:{}; DIRECT",
        proxy.port, spare.port
    );
    let client = hidden.through(&list).start().await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((proxy.heads().len(), spare.heads().len()), (2, 0));
    let warnings: Vec<_> = client.events.logs().into_iter().filter(|(level, _)| *level == Level::Warn).collect();
    let [(_, warning)] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains("SOCKS5 127.0.0.1:1"), "{warning}");
}

#[tokio::test]
async fn f111_a_proxy_that_refuses_a_tunnel_has_decided_and_the_next_one_is_not_asked() {
    let hidden = Hidden::start().await;
    let (strict, spare) = (ConnectProxy::to(hidden.port()).await, ConnectProxy::to(hidden.port()).await);
    strict.refuse("HTTP/1.1 403 Forbidden\r\n\r\n");
    let list = format!("PROXY 127.0.0.1:{}; PROXY 127.0.0.1:{}", strict.port, spare.port);
    assert_eq!(hidden.through(&list).refusal().await.code(), "VALET_NETWORK");
    assert!(!strict.heads().is_empty() && spare.heads().is_empty());
}

#[tokio::test]
async fn f111_another_proxy_counts_from_its_choice_on_and_nothing_in_flight_is_cut() {
    let hidden = Hidden::start().await;
    let (first, second) = (ConnectProxy::to(hidden.port()).await, ConnectProxy::to(hidden.port()).await);
    let client = hidden.through(&first.url()).start().await;
    let gate = Arc::new(Notify::new());
    hidden.service.once(Route::V1, Say::json(200, "{}").after(&gate));
    let (answer, ()) = tokio::join!(client.messages("in flight"), async {
        hidden.service.wait_for(Route::V1, 1).await;
        client.client.set_proxy(&format!("PROXY 127.0.0.1:{}; DIRECT", second.port)).unwrap();
        gate.notify_one();
    });
    assert_eq!((answer.status, shown(&client)), (200, Some(second.url())));
    let carried = first.heads().len();
    assert_eq!(client.messages("new").await.status, 200);
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert!(first.heads().len() == carried && second.heads().len() >= 2, "a request and a refresh");
    client.client.set_proxy(&format!("PROXY 127.0.0.1:{}; DIRECT", second.port)).unwrap();
    assert_eq!(told(&client.events).iter().filter(|proxy| **proxy == Some(second.url())).count(), 1);
}

#[tokio::test]
async fn f111_a_choice_that_cannot_be_used_is_refused_and_the_former_one_stays() {
    let hidden = Hidden::start().await;
    let proxy = ConnectProxy::to(hidden.port()).await;
    let client = hidden.through(&proxy.url()).start().await;
    for wrong in ["", "SOCKS 127.0.0.1:1080", "https://user:canary@proxy.example", "http://user:canary@proxy.example/x"]
    {
        let error = client.client.set_proxy(wrong).unwrap_err();
        assert_eq!(error.code(), "VALET_CONFIG");
        assert!(!error.to_string().contains("canary"), "{error}");
        let (level, line) = client.events.logs().pop().unwrap();
        assert!(level == Level::Warn && line.contains("stays") && !line.contains("canary"), "{line}");
    }
    assert_eq!((client.messages("hello").await.status, shown(&client)), (200, Some(proxy.url())));
    assert_eq!(hidden.through("SOCKS 127.0.0.1:1080").refusal().await.code(), "VALET_CONFIG");
}

#[tokio::test]
async fn f111_a_service_on_this_machine_is_reached_directly_whatever_the_app_names() {
    let service = FakeService::start().await;
    let proxy = ConnectProxy::to(service.port).await;
    let client = Setup::new(&service.url).with("proxy", proxy.url()).start().await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((shown(&client), proxy.heads().len()), (None, 0));
}

/// A set-up whose system names the proxy that the returned text says.
fn with_system(hidden: &Hidden, proxy: &ConnectProxy) -> (Setup, Arc<Mutex<String>>) {
    let named = Arc::new(Mutex::new(proxy.url()));
    let read = Arc::clone(&named);
    let system_proxies = Arc::new(move || SystemProxies::named(&read.lock().unwrap(), ""));
    (Setup { system_proxies, ..hidden.setup() }, named)
}

#[tokio::test]
async fn f112_a_proxy_of_the_system_that_changed_counts_after_a_wake_up() {
    let hidden = Hidden::start().await;
    let (first, second) = (ConnectProxy::to(hidden.port()).await, ConnectProxy::to(hidden.port()).await);
    let (setup, named) = with_system(&hidden, &first);
    let client = setup.start().await;
    client.client.resumed();
    *named.lock().unwrap() = second.url();
    assert_eq!(shown(&client), Some(first.url()));
    client.client.resumed();
    assert_eq!((client.messages("hello").await.status, shown(&client)), (200, Some(second.url())));
    assert!(!second.heads().is_empty());
    let lines = client.events.logs().into_iter().filter(|(_, line)| line.contains("from now on")).count();
    assert_eq!(lines, 1, "{:?}", client.events.logs());
}

#[tokio::test]
async fn f112_a_proxy_of_the_system_that_is_gone_is_looked_up_again_without_a_wake_up() {
    let hidden = Hidden::start().await;
    let (first, second) = (ConnectProxy::to(hidden.port()).await, ConnectProxy::to(hidden.port()).await);
    let (setup, named) = with_system(&hidden, &first);
    let client = setup.start().await;
    *named.lock().unwrap() = second.url();
    first.refuse("");
    // Calls that follow each other share a connection.
    client.clock.advance(Duration::from_secs(3));
    let error = client.client.refresher.ask(Reason::Forced).await.unwrap_err();
    assert!(error.code() == "VALET_NETWORK" && error.to_string().contains(&first.url()), "{error}");
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!((client.messages("hello").await.status, shown(&client)), (200, Some(second.url())));
}

#[tokio::test]
async fn f113_a_proxy_gets_the_user_and_the_password_of_its_address_and_nobody_is_shown_them() {
    let hidden = Hidden::start().await;
    let proxy = ConnectProxy::to_for(hidden.port(), "us:er@corp", "p/w canary").await;
    let client = hidden.through(&proxy.url_for("us%3Aer%40corp:p%2Fw%20canary")).start().await;
    // RFC 7617 has no user with a colon; what is sent is what was given.
    assert_eq!((client.messages("hello").await.status, shown(&client)), (200, Some(proxy.url())));
    let status = serde_json::to_string(&client.client.status()).unwrap();
    let events = format!("{:?}", client.events.all());
    assert!(!status.contains("canary") && !events.contains("canary"), "{status} {events}");
    assert!(proxy.heads().iter().all(|head| head.matches("Proxy-Authorization: Basic ").count() == 1));
}

#[tokio::test]
async fn f113_a_missing_and_a_wrong_password_are_errors_of_their_own() {
    let hidden = Hidden::start().await;
    let proxy = ConnectProxy::to_for(hidden.port(), "user", "password").await;
    for (address, expected) in [
        (proxy.url(), "the proxy wants a user and a password"),
        (proxy.url_for("user:canary"), "the proxy refuses the user and the password"),
        (proxy.url_for("canary"), "the proxy refuses the user and the password"),
    ] {
        let events = Events::default();
        let error = hidden.through(&address).start_into(events.clone()).await.err().unwrap();
        let facts = serde_json::to_value(&error).unwrap();
        assert_eq!((facts["code"].as_str(), facts["retryable"].as_bool()), (Some("VALET_PROXY_AUTH"), Some(false)));
        assert_eq!(facts["cause"]["address"], format!("127.0.0.1:{}", proxy.port));
        assert!(facts["message"].as_str().unwrap().contains(expected), "{facts}");
        let events = format!("{:?}", events.all());
        assert!(!facts.to_string().contains("canary") && !events.contains("canary"), "{facts} {events}");
    }
    assert_eq!(hidden.service.connections(), 0);
}

#[tokio::test]
async fn f115_what_a_proxy_does_in_place_of_a_tunnel_is_told_with_its_address() {
    let hidden = Hidden::start().await;
    let proxy = ConnectProxy::to(hidden.port()).await;
    for (answer, expected) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\nadult", "the proxy refuses the connection: 403 Forbidden"),
        ("HTTP/1.0 502 Bad Gateway\r\n\r\nno such name", "the proxy refuses the connection: 502 Bad Gateway"),
        ("HTTP/1.1 302 Found\r\nlocation: http://login.example\r\n\r\n", "the proxy refuses the connection: 302 Found"),
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "the proxy's answer is not HTTP"),
        ("HTTP/1.1 200 OK\r\n\r\n<html>log in", "the proxy's answer is not HTTP"),
        ("", "the proxy closed the connection and gave no answer"),
    ] {
        proxy.refuse(answer);
        let error = hidden.through(&proxy.url()).refusal().await;
        let facts = serde_json::to_value(&error).unwrap();
        assert!(matches!(error, ClientError::Network(_)), "{error:?}");
        let message = facts["message"].as_str().unwrap();
        assert!(message.contains(expected) && message.contains(&format!("{NAME}:443 through the proxy")), "{message}");
        assert_eq!(facts["cause"]["address"], format!("127.0.0.1:{}", proxy.port));
    }
    assert_eq!(hidden.service.connections(), 0);
}

#[tokio::test]
async fn f115_a_proxy_that_cannot_be_reached_is_what_the_error_names() {
    let (hidden, dead) = (Hidden::start().await, dead_port().await);
    let error = hidden.through(&format!("PROXY 127.0.0.1:{dead}")).refusal().await;
    let facts = serde_json::to_value(&error).unwrap();
    assert_eq!(
        (facts["code"].as_str(), facts["cause"]["code"].as_str()),
        (Some("VALET_NETWORK"), Some("ECONNREFUSED"))
    );
    assert_eq!(facts["cause"]["address"], format!("127.0.0.1:{dead}"));
    assert!(facts["message"].as_str().unwrap().contains("the proxy cannot be reached"), "{facts}");
}

#[tokio::test]
async fn f116_a_proxy_that_inspects_tls_is_trusted_by_its_authority_alone() {
    let hidden = Hidden::start().await;
    let proxy = ConnectProxy::to(hidden.port()).await;
    let untrusting = Setup::new(&format!("https://{NAME}")).with("proxy", proxy.url());
    let error = untrusting.refusal().await;
    let facts = serde_json::to_value(&error).unwrap();
    assert_eq!(facts["code"], "VALET_CERTIFICATE");
    assert_eq!(facts["cause"]["address"], format!("{NAME}:443"), "the certificate is shown for the service");
    assert!(facts["message"].as_str().unwrap().contains(&proxy.url()), "{facts}");
    assert_eq!(hidden.service.tokens_asked(), 0);
    let other = untrusting.clone().with("ca", json!([Certificate::generate(&[]).root_pem]));
    assert_eq!(other.refusal().await.code(), "VALET_CERTIFICATE");
    let client = hidden.through(&proxy.url()).start().await;
    assert_eq!(client.messages("hello").await.status, 200);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, &hidden.front.root_pem).unwrap();
    let client = Setup { extra_ca_certs: Some(path), ..untrusting }.start().await;
    assert_eq!(client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f116_a_login_page_behind_a_trusted_proxy_is_no_service() {
    let hidden = Hidden::start().await;
    let proxy = ConnectProxy::to(hidden.port()).await;
    for page in [Say::html(), Say::redirect("https://login.example/")] {
        hidden.service.always(Route::Health, page);
        let error = hidden.through(&proxy.url()).refusal().await;
        assert!(error.code() == "VALET_UNHEALTHY" && error.to_string().contains(&proxy.url()), "{error}");
    }
    assert_eq!(hidden.service.tokens_asked(), 0);
}

/// The name in the certificate of the [`TlsFront`].
const NAME: &str = "behind-proxy.example";
