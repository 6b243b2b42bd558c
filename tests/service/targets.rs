//! What can be asked for, in which form, and that nothing else reaches the upstream.

use testkit::http::wire::{End, Wire, post};
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test]
async fn a31_what_is_not_listed_is_a_404_even_with_a_good_token() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for path in [
        "/v1",
        "/v2/messages",
        "/v1/message",
        "/v1/messages/batches",
        "/v1/files",
        "/v1/organizations/me",
        "/v1/organizations/api_keys",
        "/v1/skills",
        "/v1/models/a/b",
        "/V1/messages",
        "/v1/Messages",
        "/v1/complete",
        "/admin",
        "/metrics",
        "/.well-known/x",
    ] {
        let response = Wire::ask(&service.url, post(path, &token, &[], BODY)).await;
        assert_eq!((response.status(), response.header("x-valetkey-error")), (404, Some("route_unknown")), "{path}");
    }
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
}

#[tokio::test]
async fn a_listed_path_takes_its_methods_only() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for (method, path) in [
        ("GET", "/v1/messages"),
        ("PUT", "/v1/messages"),
        ("TRACE", "/v1/messages"),
        ("OPTIONS", "/v1/messages"),
        ("PROPFIND", "/v1/messages"),
        ("POST", "/v1/models"),
        ("HEAD", "/v1/models"),
        ("DELETE", "/v1/models/claude-haiku-5-5"),
        ("GET", "/bootstrap"),
        ("POST", "/healthz"),
    ] {
        let lines = "host: localhost\r\nx-http-method-override: POST\r\nconnection: close\r\n";
        let mut wire = Wire::connect(&service.url).await;
        wire.send(format!("{method} {path} HTTP/1.1\r\n{lines}authorization: Bearer {token}\r\n\r\n")).await;
        let (came, _) = wire.rest().await;
        assert!(came.starts_with(b"HTTP/1.1 405 "), "{method} {path}: {}", String::from_utf8_lossy(&came));
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a20_a_path_that_is_not_in_normal_form_is_refused() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for path in [
        "//v1/messages",
        "/v1//messages",
        "/v1/messages/",
        "/v1/../v1/messages",
        "/v1/./messages",
        "/v1/messages/..",
        "/%761/messages",
        "/v1%2fmessages",
        "/v1/%2e%2e/messages",
        "/v1/%252e/messages",
        "/v1/messages%00",
        "/v1/messages;a=b",
        "/v1\\messages",
        "/v1/models/..%2fmessages",
        "/v1/models/..",
        "/v1/models/%5B1m%5D",
        "/v1/models/..%5B1m%5D",
        "/v1/models/a%5B2m%5D",
        "/v1/models/a%2f%5B1m%5D",
        "/v1/models/a%5B1m%5D/..",
        "/v1/messages%5B1m%5D",
    ] {
        let response = Wire::ask(&service.url, post(path, &token, &[], BODY)).await;
        assert_eq!(response.status(), 400, "{path}: {}", response.head);
    }
    for path in ["/v1/messages\u{e9}", "/v1/mess ages", "/v1/messages\0", "v1/messages", "*", ""] {
        let mut wire = Wire::connect(&service.url).await;
        wire.send(post(path, &token, &["connection: close"], BODY)).await;
        let (came, _) = wire.rest().await;
        let came = String::from_utf8_lossy(&came).into_owned();
        assert!(came.starts_with("HTTP/1.1 400 ") || came.starts_with("HTTP/1.1 404 "), "{path:?}: {came}");
    }
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
}

#[tokio::test]
async fn a20_a_host_with_a_path_in_it_changes_nothing() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for host in [
        "localhost/v1/organizations",
        "localhost/../admin",
        "localhost?x=/admin",
        "localhost#/admin",
        "admin",
        "user@localhost",
        "localhost:99999",
        "169.254.169.254",
        "[::1]:3002",
        "",
    ] {
        let request = post("/v1/messages", &token, &[], BODY).replace("host: localhost", &format!("host: {host}"));
        let status = Wire::ask(&service.url, request).await.status();
        assert!(matches!(status, 200 | 400 | 403), "{host}: {status}");
        let unlisted = post("/v1/files", &token, &[], BODY).replace("host: localhost", &format!("host: {host}"));
        let status = Wire::ask(&service.url, unlisted).await.status();
        assert!(matches!(status, 404 | 400 | 403), "{host}: {status}");
    }
    let received = upstream.requests();
    assert!(!received.is_empty());
    for request in received {
        assert_eq!(request.target, "/v1/messages");
        assert_eq!(
            request.header_values("host").collect::<Vec<_>>(),
            [upstream.url().strip_prefix("http://").unwrap()]
        );
    }
}

#[tokio::test]
async fn a20_the_path_that_is_judged_is_the_path_that_is_forwarded() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for (target, forwarded) in [
        ("/v1/messages", Some("/v1/messages")),
        ("/v1/messages?beta=true", Some("/v1/messages?beta=true")),
        ("/v1/messages?/../admin", Some("/v1/messages?/../admin")),
        ("/v1/messages?a=%2e%2e%2f", Some("/v1/messages?a=%2e%2e%2f")),
        ("/v1/messages?", Some("/v1/messages?")),
        ("/v1/messages#/v1/files", Some("/v1/messages")),
        ("/v1/messages.", None),
        ("/v1/messages./", None),
        ("/v1/messages%20", None),
        ("/v1/messages%23", None),
        ("/v1/messages%3fx", None),
        ("/V1/messages", None),
        ("/v1/MESSAGES", None),
        ("/v1/messages/batches?x=/v1/messages", None),
    ] {
        let before = upstream.requests().len();
        let status = Wire::ask(&service.url, post(target, &token, &[], BODY)).await.status();
        let went_up: Vec<_> = upstream.requests().split_off(before).into_iter().map(|one| one.target).collect();
        match forwarded {
            Some(forwarded) => assert_eq!((status, went_up), (200, vec![forwarded.to_owned()]), "{target}"),
            None => assert!(matches!(status, 400 | 404) && went_up.is_empty(), "{target}: {status} {went_up:?}"),
        }
    }
}

#[tokio::test]
async fn a21_no_request_chooses_the_upstream() {
    let upstream = Upstream::start();
    let elsewhere = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let authority = elsewhere.url().replace("http://", "");
    for target in [format!("http://{authority}/v1/messages"), format!("http://s@{authority}/v1/messages")] {
        let response = Wire::ask(&service.url, post(&target, &token, &[], BODY)).await;
        assert_eq!(response.status(), 400, "{target}: {}", response.head);
    }
    let connect = Wire::ask(&service.url, format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n")).await;
    assert_eq!((connect.status(), connect.header("x-valetkey-error")), (405, Some("method_not_allowed")));

    let lines = [
        format!("x-forwarded-host: {authority}"),
        format!("forwarded: host={authority}"),
        format!("x-original-url: http://{authority}/"),
        format!("x-host: {authority}"),
        format!("x-forwarded-server: {authority}"),
        format!("x-rewrite-url: http://{authority}/"),
        format!("x-upstream: http://{authority}"),
        format!("anthropic-base-url: http://{authority}"),
        format!("proxy: http://{authority}"),
    ];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let body = format!(
        r#"{{"model":"claude-sonnet-5-5","messages":[],"api_base":"http://{authority}","base_url":"http://{authority}"}}"#
    );
    let request = post("/v1/messages", &token, &lines, &body).replace("host: localhost", &format!("host: {authority}"));
    assert_eq!(Wire::ask(&service.url, request).await.status(), 200);
    assert_eq!((elsewhere.connections(), upstream.requests().len()), (0, 1));
    assert_eq!(upstream.requests()[0].header("host"), upstream.url().strip_prefix("http://"));
}

#[tokio::test]
async fn a25_upgrades_are_not_made() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for upgrade in ["websocket", "h2c"] {
        let lines =
            [&*format!("upgrade: {upgrade}"), "connection: upgrade, http2-settings", "http2-settings: AAMAAABk"];
        let response = Wire::ask(&service.url, post("/v1/messages", &token, &lines, BODY)).await;
        assert_eq!((response.status(), response.header("upgrade")), (200, None));
    }
    for received in upstream.requests() {
        assert_eq!((received.header("upgrade"), received.header("connection")), (None, None));
    }
    let mut preface = Wire::connect(&service.url).await;
    preface.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let (came, end) = preface.rest().await;
    assert!(!came.starts_with(b"HTTP/1.1 2") && matches!(end, End::Closed | End::Reset(_)));
}

#[tokio::test]
async fn a_base_path_goes_in_front_of_every_path() {
    let upstream = Upstream::start();
    let service = TestService::start(&format!("{}/v1/gateway/", upstream.url()));
    let token = service.token().await;
    Wire::ask(&service.url, post("/v1/messages?beta=true", &token, &[], BODY)).await;
    assert_eq!(upstream.requests()[0].target, "/v1/gateway/v1/messages?beta=true");
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
