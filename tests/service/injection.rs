//! Nothing of a request becomes a line of an answer's head, or of the request to the upstream (F59, F60).

use testkit::http::wire::{Wire, post as raw};
use testkit::http::{Answer as Reply, get, post};
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test]
async fn f60_what_a_client_sends_comes_back_in_no_header() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("ALLOWED_MODELS", "claude-sonnet-5-5");
        flags.set("CORS_ORIGINS", "https://app.example");
    });
    let token = service.token().await;
    let bearer = format!("Bearer {token}");
    let odd = "a\r\nx-injected: 1\r\n\r\n<script>";
    let model = serde_json::json!({ "model": odd, "messages": [] }).to_string();
    let device = serde_json::json!({ "device_id": odd, "app_version": odd }).to_string();
    let escaped = "%0d%0ax-injected:%201%0d%0a%0d%0a";
    let authorized = [("authorization", bearer.as_str())];
    for answer in [
        post(&service.at("/v1/messages"), &authorized, model).await,
        post(&service.at("/bootstrap"), &[], device).await,
        post(&service.at(&format!("/v1/messages?{escaped}")), &authorized, BODY).await,
        get(&service.at(&format!("/{escaped}")), &[]).await,
        get(&service.at(&format!("/v1/models/{escaped}")), &authorized).await,
        get(&service.at("/v1/models"), &[("x-api-key", &format!("sk-ant-proxy-{escaped}"))]).await,
        get(&service.at("/v1/models"), &[("origin", "https://app.example%0d%0ax-injected:1")]).await,
    ] {
        assert_plain(&answer);
    }
    assert!(upstream.requests().iter().all(|request| request.header("x-injected").is_none()));
    assert_eq!(upstream.requests().len(), 1, "the one with an odd query, which is passed on as it is");
}

#[tokio::test]
async fn f60_a_line_end_inside_a_header_or_a_target_ends_the_request() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for line in [
        "user-agent: a\rx-injected: 1",
        "user-agent: a\0b",
        "user-agent\r: a",
        "anthropic-beta: a\x0bx-injected: 1",
        "x-a: b\r\n x-injected: 1",
        "x-\u{e9}: 1",
        ": 1",
        "x-a",
    ] {
        let mut wire = Wire::connect(&service.url).await;
        wire.send(raw("/v1/messages", &token, &[line, "connection: close"], BODY)).await;
        let came = String::from_utf8_lossy(&wire.rest().await.0).into_owned();
        assert!(came.starts_with("HTTP/1.1 400 "), "{line:?}: {came}");
    }
    for target in ["/v1/messages\rx", "/v1/messages\0", "/v1/messages?a=\r", "/v1/messages\u{1b}[31m", "/v1/mess\tages"]
    {
        let mut wire = Wire::connect(&service.url).await;
        wire.send(raw(target, &token, &["connection: close"], BODY)).await;
        let came = String::from_utf8_lossy(&wire.rest().await.0).into_owned();
        assert!(came.starts_with("HTTP/1.1 400 ") || came.starts_with("HTTP/1.1 404 "), "{target:?}: {came}");
    }
    assert_eq!(upstream.connections(), 0);
    // What only looks odd is a value like any other.
    let odd = "anthropic-beta: \t'\"<script>%0d%0a\\r\\n";
    assert_eq!(Wire::ask(&service.url, raw("/v1/messages", &token, &[odd], BODY)).await.status(), 200);
    assert_eq!(upstream.requests()[0].header_values("anthropic-beta").count(), 1);
}

#[tokio::test]
async fn f60_a_preflight_answers_with_what_was_asked_for_in_one_header() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("CORS_ORIGINS", "https://app.example"));
    let lines = "host: localhost\r\norigin: https://app.example\r\naccess-control-request-method: POST\r\n";
    let asked = "x-a, %0d%0ax-injected: 1, <script>";
    let request = format!("OPTIONS /v1/messages HTTP/1.1\r\n{lines}access-control-request-headers: {asked}\r\n\r\n");
    let response = Wire::ask(&service.url, request).await;
    assert_eq!((response.status(), response.header("access-control-allow-headers")), (204, Some(asked)));
    assert_eq!(response.header("x-injected"), None);
    assert_eq!(response.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn f59_many_heads_beyond_every_measure_leave_the_service_as_it_was() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let many: Vec<_> = (0..129).map(|number| format!("x-{number}: 1")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let large = format!("x-large: {}", "x".repeat(1 << 20));
    let url = format!("/{}", "x".repeat(64 << 10));
    for _ in 0..10 {
        for request in [
            raw("/v1/messages", &token, &many, BODY),
            raw("/v1/messages", &token, &[&large], BODY),
            raw(&url, &token, &[], BODY),
        ] {
            let mut wire = Wire::connect(&service.url).await;
            // It may be refused before all of it is sent.
            let _ = wire.try_send(request).await;
            let came = String::from_utf8_lossy(&wire.rest().await.0).into_owned();
            assert!(["HTTP/1.1 431 ", "HTTP/1.1 414 "].iter().any(|line| came.starts_with(line)), "{came}");
        }
    }
    assert_eq!(upstream.connections(), 0);
    assert_eq!(service.messages(&token, BODY).await.status, 200);
}

fn assert_plain(answer: &Reply) {
    assert!((200..500).contains(&answer.status), "{}", answer.text());
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        assert!(!name.as_str().contains("inject") && !value.contains("inject"), "{name}: {value}");
        assert!(!value.contains("script"), "{name}: {value}");
    }
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
