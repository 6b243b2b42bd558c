//! Access to the loopback proxy, tried with raw bytes: launch keys, hosts, web pages.

use testkit::client::fake_service::{FakeService, Route};
use testkit::client::{Setup, TestClient};
use testkit::http::raw::{RawAnswer, exchange};

/// A client, and the raw requests of strangers to its proxy.
pub struct Door {
    pub service: FakeService,
    pub client: TestClient,
    pub port: u16,
    key: String,
}

impl Door {
    pub async fn new() -> Self {
        let service = FakeService::start().await;
        let client = Setup::new(&service.url).start().await;
        let (port, key) = (client.client.address.port(), client.key());
        Self { service, client, port, key }
    }

    /// `POST /v1/messages` with these header lines; `KEY` and `PORT` stand for the proxy's own.
    pub async fn knock(&self, lines: &str) -> RawAnswer {
        self.ask("POST /v1/messages", lines).await
    }

    pub async fn ask(&self, line: &str, lines: &str) -> RawAnswer {
        let lines = lines.replace("KEY", &self.key).replace("PORT", &self.port.to_string());
        let request = format!("{line} HTTP/1.1\r\n{lines}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
        let answer = exchange(&self.client.url(), request).await;
        assert!(!answer.head.contains("access-control-"), "{}", answer.head);
        assert!(!answer.head.contains(&self.key.to_lowercase()) && !answer.body.contains(&self.key), "{answer:?}");
        assert!(!answer.head.contains("canary-wrapper") && !answer.body.contains("canary-wrapper"), "{answer:?}");
        answer
    }

    pub fn reached_service(&self) -> usize {
        self.service.count(Route::V1)
    }
}

#[tokio::test]
async fn a37_a_wrong_or_misplaced_launch_key_is_refused() {
    let door = Door::new().await;
    let other = Setup::new(&door.service.url).start().await.key();
    let other = format!("authorization: Bearer {other}");
    let encoded = format!("proxy-authorization: Basic {}", door.key);
    for line in [
        "x: y",
        "authorization: Bearer ",
        "authorization: Bearer",
        "authorization:",
        "x-api-key:",
        "authorization: Bearer KEY1",
        "authorization: Bearer valet-",
        "authorization: Basic KEY",
        "authorization: KEY",
        "authorization: Bearer sk-ant-proxy-KEY",
        "authorization: Bearer KEY,KEY",
        "authorization: Bearer KEY KEY",
        "authorization: Bearer\tKEY",
        "cookie: key=KEY",
        "proxy-authorization: Bearer KEY",
        "x-valetkey-key: KEY",
        &other,
        &encoded,
    ] {
        let answer = door.knock(&format!("host: 127.0.0.1:PORT\r\n{line}")).await;
        assert_eq!(answer.status, 401, "{line}");
        assert!(answer.body.contains("launch_key_invalid") && answer.head.contains("x-should-retry: false"), "{line}");
    }
    let upper = format!("authorization: Bearer {}", door.key.to_uppercase());
    assert_eq!(door.knock(&format!("host: 127.0.0.1:PORT\r\n{upper}")).await.status, 401);
    let query = format!("POST /v1/messages?key={}&x-api-key={}", door.key, door.key);
    assert_eq!(door.ask(&query, "host: 127.0.0.1:PORT").await.status, 401);
    assert_eq!(door.reached_service(), 0);
}

#[tokio::test]
async fn the_launch_key_is_good_in_either_header_and_the_other_one_is_dropped() {
    let door = Door::new().await;
    for lines in [
        "x-api-key: KEY",
        "authorization: Bearer KEY",
        "authorization: bearer KEY",
        "authorization: BEARER   KEY",
        "x-api-key: KEY\r\nauthorization: Bearer KEY",
        "X-API-Key: KEY",
        "x-api-key:\r\nauthorization: Bearer KEY",
        "x-api-key: sk-ant-foreign\r\nauthorization: Bearer KEY",
        "x-api-key: KEY\r\nauthorization: Bearer sk-ant-foreign",
        "x-api-key: KEY\r\nauthorization: Bearer",
        "x-api-key: KEY\r\nauthorization: Basic sk-ant-foreign",
    ] {
        assert_eq!(door.knock(&format!("host: 127.0.0.1:PORT\r\n{lines}")).await.status, 200, "{lines}");
    }
    for lines in [
        "x-api-key: sk-ant-foreign\r\nauthorization: Bearer sk-ant-foreign",
        "x-api-key: KEY\r\nx-api-key: KEY",
        "x-api-key: KEY\r\nx-api-key: other",
        "x-api-key:\r\nx-api-key:\r\nauthorization: Bearer KEY",
        "authorization: Bearer KEY\r\nauthorization: Bearer KEY",
        "authorization: Bearer KEY\r\nauthorization: Bearer other\r\nx-api-key: KEY",
    ] {
        assert_eq!(door.knock(&format!("host: 127.0.0.1:PORT\r\n{lines}")).await.status, 401, "{lines}");
    }
    assert_eq!(door.reached_service(), 11);
    for seen in door.service.seen(Route::V1) {
        assert_eq!((seen.header("x-api-key"), seen.headers.get_all("authorization").iter().count()), (None, 1));
        assert_eq!(seen.header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-1"));
    }
}

#[tokio::test]
async fn a35_the_proxy_accepts_only_its_own_address_as_host() {
    let door = Door::new().await;
    for host in [
        "evil.example",
        "evil.example:PORT",
        "127.0.0.1.evil.example:PORT",
        "127.0.0.1:1",
        "127.0.0.1",
        ":PORT",
        "",
        "localhost.:PORT",
        "LOCALHOST:PORT",
        "0.0.0.0:PORT",
        "127.1:PORT",
        "2130706433:PORT",
        "0x7f000001:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "[::1]:PORT",
        "user@127.0.0.1:PORT",
        "127.0.0.1:PORT evil.example",
        "127.0.0.1:PORT\tevil",
        "127.0.0.1:0PORT",
        "127.0.0.1:PORT\0",
    ] {
        let answer = door.knock(&format!("host: {host}\r\nauthorization: Bearer KEY")).await;
        assert!(matches!(answer.status, 400 | 403), "{host}: {answer:?}");
    }
    for lines in ["host: 127.0.0.1:PORT\r\nhost: 127.0.0.1:PORT", "host: 127.0.0.1:PORT\r\nhost: evil", "x: y"] {
        let answer = door.knock(&format!("{lines}\r\nauthorization: Bearer KEY")).await;
        assert!(matches!(answer.status, 400 | 403), "{lines}: {answer:?}");
    }
    let old = format!("POST /v1/messages HTTP/1.0\r\nauthorization: Bearer {}\r\n\r\n", door.key);
    assert_eq!(exchange(&door.client.url(), old).await.status, 403);
    assert_eq!(door.reached_service(), 0);
    assert_eq!(door.knock("host: localhost:PORT\r\nauthorization: Bearer KEY").await.status, 200);
}

#[tokio::test]
async fn a59_a_malformed_host_is_a_bad_request() {
    let door = Door::new().await;
    for host in [
        "",
        ".",
        ":PORT",
        ":0",
        "a b",
        "a/b",
        "user@127.0.0.1:PORT",
        "127.0.0.1:PORT, 127.0.0.1:PORT",
        "127.0.0.1:65536",
        "127.0.0.1:PORT:PORT",
        "[::1",
        "::1",
    ] {
        let answer = door.knock(&format!("host: {host}\r\nauthorization: Bearer KEY")).await;
        assert_eq!(answer.status, 400, "{host:?}: {answer:?}");
        assert!(answer.body.contains("request_invalid"), "{host:?}: {answer:?}");
    }
    assert_eq!(door.reached_service(), 0);
}

#[tokio::test]
async fn a34_a36_a_web_page_is_refused_even_with_the_launch_key() {
    let door = Door::new().await;
    for line in [
        "origin: https://evil.example",
        "origin: null",
        "origin: file://",
        "origin: http://127.0.0.1:PORT",
        "origin: http://localhost:PORT",
        "sec-fetch-site: cross-site",
        "sec-fetch-site: same-origin",
        "sec-fetch-site: none\r\nsec-fetch-site: cross-site",
    ] {
        for host in ["127.0.0.1:PORT", "evil.example:PORT"] {
            let lines = format!("host: {host}\r\nauthorization: Bearer KEY\r\ncontent-type: text/plain\r\n{line}");
            assert_eq!(door.knock(&lines).await.status, 403, "{lines}");
        }
    }
    // Probes, which need no key, are closed to web pages as well.
    assert_eq!(door.ask("GET /healthz", "host: 127.0.0.1:PORT\r\norigin: https://evil.example").await.status, 403);
    assert_eq!(door.reached_service(), 0);
}

#[tokio::test]
async fn a34_a_preflight_is_refused_unless_the_app_listed_its_origin() {
    let door = Door::new().await;
    let preflight = "host: 127.0.0.1:PORT\r\norigin: https://evil.example\r\naccess-control-request-method: POST\r\n\
        access-control-request-headers: authorization\r\naccess-control-request-private-network: true";
    assert_eq!(door.ask("OPTIONS /v1/messages", preflight).await.status, 403);
    let listed = Setup::new(&door.service.url).with("allowedOrigins", vec!["app://main"]);
    let listed = listed.start().await;
    let ask = async |lines: &str| {
        let port = listed.client.address.port();
        let request =
            format!("OPTIONS /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{lines}\r\nconnection: close\r\n\r\n");
        exchange(&listed.url(), request).await
    };
    let granted = ask("origin: app://main\r\naccess-control-request-method: POST").await;
    assert!(granted.status == 204 && granted.head.contains("access-control-allow-origin: app://main"), "{granted:?}");
    for origin in ["app://main.evil", "APP://main", "app://main/"] {
        let refused = ask(&format!("origin: {origin}\r\naccess-control-request-method: POST")).await;
        assert!(refused.status == 403 && !refused.head.contains("access-control"), "{refused:?}");
    }
    assert_eq!(door.reached_service(), 0);
}

#[tokio::test]
async fn a37_a_launch_key_that_is_cut_longer_or_of_another_launch_is_refused_in_either_header() {
    let door = Door::new().await;
    let other = Setup::new(&door.service.url).start().await.key();
    let half = &door.key[..door.key.len() / 2];
    let cut = &door.key[..door.key.len() - 1];
    let turned: String = door.key.chars().rev().collect();
    for key in ["valet-", half, cut, &format!("{}A", door.key), &format!("A{}", door.key), &turned, &other] {
        for field in ["x-api-key: ", "authorization: Bearer "] {
            let answer = door.knock(&format!("host: 127.0.0.1:PORT\r\n{field}{key}")).await;
            assert_eq!(answer.status, 401, "{field}{key}");
        }
    }
    assert_eq!(door.reached_service(), 0);
}

#[tokio::test]
async fn a35_a_page_that_has_rebound_its_name_is_refused_at_host_and_at_origin() {
    let door = Door::new().await;
    for (host, origin) in [
        ("evil.example:PORT", "http://evil.example:PORT"),
        ("127.0.0.1:PORT", "http://evil.example:PORT"),
        ("evil.example:PORT", "http://127.0.0.1:PORT"),
    ] {
        let lines = format!("host: {host}\r\norigin: {origin}\r\nauthorization: Bearer KEY");
        assert_eq!(door.knock(&lines).await.status, 403, "{lines}");
        assert_eq!(door.ask("GET /healthz", &lines).await.status, 403, "{lines}");
    }
    assert_eq!(door.reached_service(), 0);
}

#[tokio::test]
async fn a34_a36_forms_and_web_sockets_of_a_page_are_refused_also_where_the_browser_names_no_origin() {
    let door = Door::new().await;
    let host = "host: 127.0.0.1:PORT\r\n";
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        for (source, status) in [("x: y", 401), ("origin: null", 403), ("sec-fetch-site: cross-site", 403)] {
            let lines = format!("{host}content-type: {kind}\r\n{source}");
            assert_eq!(door.knock(&lines).await.status, status, "{lines}");
        }
    }
    let socket = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    for (source, status) in [("x: y", 401), ("origin: https://evil.example", 403)] {
        let answer = door.ask("GET /v1/messages", &format!("{host}{socket}\r\n{source}")).await;
        assert_eq!(answer.status, status, "{source}");
    }
    // An image or a link of a page: a navigation has no Origin.
    assert_eq!(door.ask("GET /v1/models", "host: 127.0.0.1:PORT").await.status, 401);
    assert_eq!(door.reached_service(), 0);
}
