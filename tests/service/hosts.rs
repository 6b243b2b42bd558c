//! The hosts that the listeners answer to, and what a web page can send without being asked.

use testkit::http::wire::{Response, Wire};
use testkit::http::{get, post};
use testkit::service::{ADMIN_TOKEN, TestService};

#[tokio::test]
async fn a35_on_loopback_every_listener_answers_to_loopback_and_to_listed_hosts_alone() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("METRICS_PORT", "0");
        flags.set("PROXY_BASE_URL", "https://claude.example/base");
        flags.set("ALLOWED_HOSTS", "a.example, b.example:8443");
    });
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST.:1", 200),
        ("127.0.0.1:3001", 200),
        ("127.9.9.9", 200),
        ("[::1]:3001", 200),
        ("claude.example", 200),
        ("claude.example:3001", 200),
        ("A.example:1", 200),
        ("b.example:8443", 200),
        ("b.example", 403),
        ("x.a.example", 403),
        ("evil.example", 403),
        ("evil.example:3001", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.0.2.1", 403),
        ("0.0.0.0:3001", 403),
        ("127.1", 403),
    ] {
        for (url, path) in listeners(&service) {
            let answer = ask(&url, path, host).await;
            assert_eq!(answer.status(), status, "{host}: {}", answer.head);
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            let name = host.split(':').next().unwrap();
            let is_told = told.contains("origin_forbidden") && told.contains("ALLOWED_HOSTS") && told.contains(name);
            assert!(status == 200 || is_told, "{host}: {told}");
        }
    }
}

#[tokio::test]
async fn a35_a_page_that_names_another_host_gets_neither_a_token_nor_the_admin_api() {
    let service = TestService::start("http://127.0.0.1:9");
    let body = r#"{"device_id":"device-0001"}"#;
    let evil = [("host", "evil.example"), ("content-type", "application/json")];
    let answer = post(&service.at("/bootstrap"), &evil, body).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (403, "origin_forbidden"));
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let answer =
        get(&format!("{}/admin/devices", service.admin_url()), &[evil[0], ("authorization", bearer.as_str())]).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some("origin_forbidden")));
    // A load balancer asks for these, and names the service as it likes.
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(ask(&service.url, probe, "evil.example").await.status(), 200, "{probe}");
    }
}

#[tokio::test]
async fn a35_beyond_loopback_every_host_is_answered_unless_some_are_listed() {
    for (listed, status) in [("", 200), ("a.example", 403)] {
        let service = TestService::start_with("http://127.0.0.1:9", |flags| {
            flags.set("HOST", "0.0.0.0");
            flags.set("ADMIN_HOST", "0.0.0.0");
            flags.set("JWT_SECRET", "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe");
            flags.set("BOOTSTRAP_MODE", "open");
            flags.set("ALLOWED_HOSTS", listed);
        });
        for (url, path) in listeners(&service) {
            let url = url.replace("0.0.0.0", "127.0.0.1");
            assert_eq!(ask(&url, path, "other.example").await.status(), status, "{listed}: {path}");
            assert_eq!(ask(&url, path, "a.example").await.status(), 200, "{listed}: {path}");
            assert_eq!(ask(&url, path, "127.0.0.1").await.status(), 200, "{listed}: {path}");
        }
    }
}

#[tokio::test]
async fn a59_a_malformed_host_is_refused_by_every_listener() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| flags.set("METRICS_PORT", "0"));
    for host in MALFORMED {
        for (url, path) in listeners(&service) {
            let answer = ask(&url, path, host).await;
            assert_eq!(answer.status(), 400, "{host:?}: {}", answer.head);
            assert!(String::from_utf8_lossy(&answer.body).contains("request_invalid"), "{host:?}: {}", answer.head);
        }
        assert_eq!(ask(&service.url, "/healthz", host).await.status(), 400, "{host:?}");
    }
}

#[tokio::test]
async fn a60_a_web_page_gets_no_token_by_sending_json_as_text() {
    let service = TestService::start("http://127.0.0.1:9");
    let body = r#"{"device_id":"device-0001"}"#;
    for media_type in
        ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data", ""]
    {
        let answer = post(&service.at("/bootstrap"), &[("content-type", media_type)], body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{media_type}");
        assert!(answer.text().contains("content-type: application/json"), "{}", answer.text());
    }
    let length = body.len();
    let bare = format!("POST /bootstrap HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}");
    assert_eq!(Wire::ask(&service.url, bare).await.status(), 400);
    for media_type in ["application/json", "Application/Json; charset=utf-8"] {
        let answer = post(&service.at("/bootstrap"), &[("content-type", media_type)], body).await;
        assert_eq!(answer.status, 200, "{media_type}: {}", answer.text());
    }
}

/// Each listener that there is, and a path on it that needs no token.
fn listeners(service: &TestService) -> Vec<(String, &'static str)> {
    let clients = (service.url.clone(), "/protocol");
    let admin = (service.admin_url().to_owned(), "/metrics");
    let metrics = service.metrics_url().map(|url| (url.to_owned(), "/metrics"));
    [clients, admin].into_iter().chain(metrics).collect()
}

async fn ask(url: &str, path: &str, host: &str) -> Response {
    Wire::ask(url, format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await
}

const MALFORMED: [&str; 16] = [
    "",
    ".",
    ":0",
    ":3001",
    "a b",
    "a/b",
    "a@b",
    "user:password@localhost",
    "localhost, localhost",
    "localhost%00",
    "localhost\tx",
    "[::1",
    "::1",
    "[localhost]",
    "localhost:65536",
    "localhost:80:80",
];
