//! A41: the real key is in nothing that leaves the service but the request to the upstream.

use testkit::http::wire::Wire;
use testkit::http::{get, post, request};
use testkit::legs::Leg;
use testkit::service::{REAL_KEY, TestService};
use testkit::upstream::{Answer, Cut, Upstream};

#[tokio::test]
async fn a41_the_real_key_is_in_no_answer_and_no_record() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let bearer = format!("Bearer {token}");
    for answer in [
        Answer::error(401, "authentication_error", REAL_KEY),
        Answer::error(403, "permission_error", REAL_KEY).header("x-echo", REAL_KEY),
        Answer::raw(format!("{REAL_KEY}\r\n\r\n").into()),
        Answer::message_stream("hello").header("x-api-key", REAL_KEY),
        Answer::message_stream("hello").header("authorization", &format!("Bearer {REAL_KEY}")),
        Answer::message_stream("hello").cut_after(0, Cut::Reset),
    ] {
        upstream.answer_next(answer);
        let mut wire = Wire::connect(&service.url).await;
        wire.send(testkit::http::wire::post("/v1/messages", &token, &["connection: close"], BODY)).await;
        let (came, _) = wire.rest().await;
        assert_clean(&came);
    }
    for path in ["/", "/healthz", "/readyz", "/protocol", "/v1/models", "/debug", "/metrics", "/admin", "/bootstrap"] {
        for method in ["GET", "POST", "OPTIONS", "HEAD"] {
            let answer = request(method, &service.at(path), &[("authorization", &bearer)]).await;
            assert_clean(format!("{:?}{}", answer.headers, answer.text()).as_bytes());
        }
    }
    assert_clean(format!("{:?}", service.usage.records()).as_bytes());
}

#[tokio::test]
async fn a41_a_header_that_holds_the_real_key_ends_here_under_whatever_name() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let answer = Answer::message_stream("hello")
            .header("x-echo", REAL_KEY)
            .header("x-request-headers", &format!("{{\"x-api-key\":\"{REAL_KEY}\"}}"))
            .header("location", &format!("https://a.example/?key={REAL_KEY}"))
            .header("www-authenticate", &format!("Bearer {REAL_KEY}"))
            .header("request-id", REAL_KEY)
            .header("x-harmless", "canary");
        upstream.answer_next(answer);
        let answer = service.messages(&token, BODY).await;
        assert_clean(format!("{:?}", answer.headers).as_bytes());
        assert_eq!(answer.header("x-harmless"), Some("canary"), "{leg:?}");
        assert_clean(format!("{:?}", service.usage.wait_for(1).await).as_bytes());
    }
}

#[tokio::test]
async fn a41_the_real_key_is_in_no_compressed_refusal_of_it() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    upstream.answer_next(Answer::error(401, "authentication_error", &format!("invalid {REAL_KEY}")).gzip());
    let mut wire = Wire::connect(&service.url).await;
    wire.send(post_raw(&token, &["accept-encoding: gzip", "connection: close"])).await;
    let (came, _) = wire.rest().await;
    assert!(came.starts_with(b"HTTP/1.1 502 "), "{}", String::from_utf8_lossy(&came));
    let (head, body) = came.split_at(memchr::memmem::find(&came, b"\r\n\r\n").unwrap() + 4);
    assert!(!String::from_utf8_lossy(head).contains("content-encoding"));
    for bytes in [body.to_vec(), gunzipped(body)] {
        assert_clean(&bytes);
    }
}

#[tokio::test]
async fn a41_the_real_key_is_not_in_what_a_panic_leaves() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    drop(upstream);
    service.usage.panic_at_the_next();
    let answer = service.messages(&token, BODY).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (500, "internal"));
    assert_clean(format!("{:?}{}", answer.headers, answer.text()).as_bytes());
    let text = answer.text();
    for word in ["panic", "src/", ".rs", "canary", "unwrap"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn a43_no_shared_cache_may_keep_a_relayed_answer_whatever_both_sides_say() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let (one, other) = (service.token().await, service.token_for("device-0002").await);
    let poison = Answer::json(200, serde_json::json!({ "for": "device-0001" }))
        .header("cache-control", "public, max-age=3600, s-maxage=3600")
        .header("expires", "Thu, 01 Jan 2099 00:00:00 GMT")
        .header("etag", "\"same\"")
        .header("age", "1")
        .header("surrogate-control", "max-age=3600")
        .header("surrogate-key", "all")
        .header("cdn-cache-control", "max-age=3600")
        .header("x-accel-expires", "3600")
        .header("x-accel-redirect", "/of-somebody-else")
        .header("x-accel-buffering", "yes");
    let crafted = [
        "cache-control: only-if-cached, max-stale=99999",
        "if-none-match: \"same\"",
        "if-modified-since: Thu, 01 Jan 2099 00:00:00 GMT",
        "range: bytes=0-1",
        "x-forwarded-host: cache.example",
        "x-original-url: /v1/models",
        "connection: close",
    ];
    for token in [&one, &other] {
        upstream.answer_next(poison.clone());
        let mut wire = Wire::connect(&service.url).await;
        wire.send(testkit::http::wire::post("/v1/messages", token, &crafted, BODY)).await;
        let response = wire.response().await;
        assert_eq!((response.status(), response.header("cache-control")), (200, Some("no-store")), "{}", response.head);
        for header in ["surrogate", "cdn-cache", "x-accel"] {
            assert!(!response.head.contains(header), "{}", response.head);
        }
    }
    // Two devices that ask for the same are two requests upstream: nothing here remembers an answer but lists of models.
    for token in [&one, &other, &one] {
        let bearer = format!("Bearer {token}");
        let counted = post(&service.at("/v1/messages/count_tokens"), &[("authorization", bearer.as_str())], BODY).await;
        assert_eq!(counted.status, 200);
    }
    assert_eq!(upstream.requests().len(), 5);
}

#[tokio::test]
async fn a43_no_refusal_and_no_token_may_be_kept_by_a_cache() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("RATE_LIMIT_MAX", "1"));
    let token = service.token().await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    upstream.answer_next(Answer::error(401, "authentication_error", "no"));
    let mut answers = vec![
        post(&service.at("/v1/messages"), &headers, BODY).await, // 502
        post(&service.at("/v1/messages"), &headers, BODY).await, // 429
        post(&service.at("/v1/messages"), &[("x-api-key", "sk-ant-proxy-x")], BODY).await,
        post(&service.at("/v1//messages"), &headers, BODY).await,
        post(&service.at("/v1/files"), &headers, BODY).await,
        request("DELETE", &service.at("/v1/messages"), &headers).await,
        post(&service.at("/bootstrap"), &[], "{}").await,
        post(&service.at("/bootstrap"), &[], r#"{"device_id":"device-0002"}"#).await,
        post(&service.at("/refresh"), &headers, "").await,
        post(&service.at("/refresh"), &[], "").await,
        service.admin("GET", "/admin/devices", None).await,
        service.admin("GET", "/admin/nowhere", None).await,
        get(&format!("{}/admin/devices", service.admin_url()), &[]).await,
    ];
    answers.push(service.admin("POST", "/admin/tokens", Some(serde_json::json!({ "device_id": "device-0001" }))).await);
    for answer in answers {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}: {}", answer.status, answer.text());
    }
}

#[tokio::test]
async fn a43_no_answer_of_the_services_own_may_be_kept_by_a_cache() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    for answer in [
        get(&service.at("/healthz"), &[]).await,
        get(&service.at("/protocol"), &[]).await,
        get(&service.at("/nowhere"), &[]).await,
        get(&service.at("/v1/models"), &headers).await,
        post(&service.at("/bootstrap"), &[], r#"{"device_id":"device-0001"}"#).await,
        post(&service.at("/refresh"), &headers, "").await,
        post(&service.at("/v1/messages"), &headers, BODY).await,
        post(&service.at("/v1/messages"), &[], BODY).await,
    ] {
        let cached = answer.header("cache-control").unwrap_or_default();
        assert!(cached == "no-store" || cached == "no-cache", "{cached}: {}", answer.text());
    }
}

fn post_raw(token: &str, lines: &[&str]) -> String {
    testkit::http::wire::post("/v1/messages", token, lines, BODY)
}

/// The text in it, if it is compressed.
fn gunzipped(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut text = Vec::new();
    // What is not compressed has no text in this sense.
    let _ = flate2::read::GzDecoder::new(bytes).read_to_end(&mut text);
    text
}

fn assert_clean(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(!text.contains("canary-real-key"), "{text}");
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
