//! The routes beside `/v1`: tokens, probes, and what the service says of itself.

use std::time::Duration;

use serde_json::{Value, json};

use testkit::http::{Answer, get, post, request};
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test]
async fn bootstrap_answers_with_a_token_and_how_to_live_with_it() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("PROXY_BASE_URL", "https://proxy.example/");
        flags.set("TOKEN_TTL_SECONDS", "7200");
    });
    let answer = bootstrap(&service, json!({ "device_id": "device-0001" })).await;
    let mut body = answer.json();
    let token = body["token"].take();
    let expires_at = body["expires_at"].take();
    assert!(expires_at.is_u64() && token.as_str().unwrap().split('.').count() == 3);
    let expected = json!({ "token": null, "token_type": "Bearer", "expires_in": 7200, "expires_at": null,
        "refresh_in": 3600, "base_url": "https://proxy.example", "device_id": "device-0001", "models": [] });
    assert_eq!(body, expected);
    assert_eq!(
        (answer.header("cache-control"), answer.header("content-type")),
        (Some("no-store"), Some("application/json"))
    );
    assert!(answer.header("request-id").is_some());
}

#[tokio::test]
async fn f96_the_regions_are_announced_with_each_token() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("REGIONS", "https://us.example/, https://eu.example/claude");
    });
    let first = bootstrap(&service, json!({ "device_id": "device-0001" })).await.json();
    let bearer = format!("Bearer {}", first["token"].as_str().unwrap());
    let second = post(&service.at("/refresh"), &[("authorization", &bearer)], "").await.json();
    for answer in [first, second] {
        assert_eq!(answer["regions"], json!(["https://us.example", "https://eu.example/claude"]));
    }
}

#[tokio::test]
async fn bootstrap_refuses_what_is_no_request() {
    let service = TestService::start("http://127.0.0.1:9");
    for body in
        ["", "{}", "[]", "null", "{\"device_id\":1}", "{\"device_id\":\"device-0001\",\"more\":1}", "\u{feff}{}"]
    {
        let answer = post(&service.at("/bootstrap"), &[], body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{body}");
    }
    let huge = format!(r#"{{"device_id":"{}"}}"#, "a".repeat(1 << 20));
    assert_eq!(post(&service.at("/bootstrap"), &[], huge).await.error_code(), "payload_too_large");
}

#[tokio::test]
async fn a16_a_device_id_has_one_spelling() {
    let service = TestService::start("http://127.0.0.1:9");
    let long = "a".repeat(65);
    for id in
        ["DEVICE-0001", "device-0001\0", "device-0001\n", "d\u{e9}vice-0001", "a:b:c:d:e", "device*01", &long, "short"]
    {
        let answer = bootstrap(&service, json!({ "device_id": id })).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{id:?}");
    }
}

#[tokio::test]
async fn an_enrolment_token_opens_a_service_in_that_mode() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("BOOTSTRAP_MODE", "enrolment");
        flags.set("ENROLMENT_TOKENS", "first-token-of-a-fleet, second-token-of-a-fleet");
    });
    let without = bootstrap(&service, json!({ "device_id": "device-0001" })).await;
    assert_eq!((without.status, without.error_code().as_str()), (401, "enrolment_required"));
    for wrong in ["", "first-token-of-a-flee", "first-token-of-a-fleet ", "FIRST-TOKEN-OF-A-FLEET"] {
        let answer = bootstrap(&service, json!({ "device_id": "device-0001", "enrolment": wrong })).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "enrolment_invalid"), "{wrong}");
    }
    for right in ["first-token-of-a-fleet", "second-token-of-a-fleet"] {
        let answer = bootstrap(&service, json!({ "device_id": "device-0001", "enrolment": right })).await;
        assert_eq!(answer.status, 200, "{right}");
    }
}

#[tokio::test]
async fn a_closed_service_enrols_nobody_and_still_refreshes() {
    let open = TestService::start("http://127.0.0.1:9");
    let closed = TestService::start_with("http://127.0.0.1:9", |flags| flags.set("BOOTSTRAP_MODE", "closed"));
    for body in ["{\"device_id\":\"device-0001\"}", "nonsense"] {
        let answer = post(&closed.at("/bootstrap"), &[], body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "bootstrap_closed"));
    }
    let bearer = format!("Bearer {}", open.token().await);
    assert_eq!(post(&closed.at("/refresh"), &[("authorization", &bearer)], "").await.status, 200);
}

#[tokio::test]
async fn a15_known_and_unknown_devices_get_the_same_answer() {
    let service = TestService::start("http://127.0.0.1:9");
    let shape = |answer: Answer| {
        let body = answer.json();
        let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        (answer.status, answer.body.len(), keys, names)
    };
    let first = shape(bootstrap(&service, json!({ "device_id": "device-0001" })).await);
    let again = shape(bootstrap(&service, json!({ "device_id": "device-0001" })).await);
    let other = shape(bootstrap(&service, json!({ "device_id": "device-0002" })).await);
    assert_eq!((&first, &first), (&again, &other));
}

#[tokio::test]
async fn refresh_gives_a_newer_token_for_the_same_device() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    service.clock.advance(Duration::from_secs(23 * 3600));
    let bare = token.trim_start_matches("sk-ant-proxy-");
    for presented in [&token, bare] {
        let answer = post(&service.at("/refresh"), &[("authorization", &format!("Bearer {presented}"))], "").await;
        assert_eq!((answer.status, &answer.json()["device_id"]), (200, &Value::from("device-0001")));
        assert_eq!(answer.json()["expires_in"], 24 * 3600);
        let newer = answer.json()["token"].as_str().unwrap().to_owned();
        assert_ne!(newer, bare);
        service.clock.advance(Duration::from_secs(600));
        assert_eq!(service.messages(&format!("sk-ant-proxy-{newer}"), BODY).await.status, 200);
    }
    service.clock.advance(Duration::from_secs(3600));
    let late = post(&service.at("/refresh"), &[("authorization", &format!("Bearer {token}"))], "").await;
    assert_eq!((late.status, late.error_code().as_str()), (401, "token_expired"));
    assert_eq!(post(&service.at("/refresh"), &[], "").await.error_code(), "token_missing");
}

#[tokio::test]
async fn probes_need_no_token_and_ask_nobody() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    for path in ["/healthz", "/readyz"] {
        let answer = get(&service.at(path), &[]).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &Value::from("ok")), "{path}");
    }
    for (method, path) in [("HEAD", "/"), ("HEAD", "/api/hello"), ("HEAD", "/healthz"), ("HEAD", "/readyz")] {
        let answer = request(method, &service.at(path), &[]).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{method} {path}");
    }
    let protocol = get(&service.at("/protocol"), &[]).await.json();
    assert_eq!(
        (&protocol["token"]["prefix"], &protocol["bootstrap"]["mode"]),
        (&"sk-ant-proxy-".into(), &"open".into())
    );
    assert_eq!(protocol["max_payload_bytes"], 33_554_432);
    assert_eq!(upstream.connections(), 0);
}

async fn bootstrap(service: &TestService, body: Value) -> Answer {
    post(&service.at("/bootstrap"), &[], body.to_string()).await
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
