//! A41: the real key is in nothing that leaves the service but the request to the upstream.

use crate::support::http::{get, post, request};
use crate::support::service::{REAL_KEY, TestService};
use crate::support::upstream::{Answer, Cut, Upstream};
use crate::support::wire::Wire;

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
        wire.send(crate::support::wire::post("/v1/messages", &token, &["connection: close"], BODY)).await;
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

fn assert_clean(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(!text.contains("canary-real-key"), "{text}");
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
