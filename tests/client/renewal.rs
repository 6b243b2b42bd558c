//! The app does not notice a token that expires between two requests, or before two hundred.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use testkit::client::Setup;
use testkit::client::fake_service::{FakeService, Route, Say};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn f50_two_hundred_requests_at_the_moment_of_expiry_cost_one_bootstrap_and_no_error() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).without("refreshIntervalMs").start().await;
    service.expire_tokens();
    client.clock.advance(25 * HOUR);
    let answers = client.messages_at_once(200).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::Refresh), service.count(Route::V1)), (2, 0, 200));
}

#[tokio::test]
async fn two_hundred_requests_with_a_token_that_is_due_cost_one_refresh_and_do_not_wait() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).without("refreshIntervalMs").start().await;
    let gate = Arc::new(Notify::new());
    service.once(Route::Refresh, Say::token().after(&gate));
    client.clock.advance(23 * HOUR);
    let answers = client.messages_at_once(200).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    gate.notify_one();
    client.wait_for("the new token", |status| status.state == valetkey::client::status::ClientState::Ready).await;
    assert_eq!(service.tokens_asked(), 2);
}

#[tokio::test]
async fn a_storm_of_two_hundred_rejections_costs_one_new_token_and_no_error() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.expire_tokens();
    let answers = client.messages_at_once(200).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(service.tokens_asked(), 2);
    let seen = service.seen(Route::V1);
    let bodies: BTreeSet<_> = seen.iter().map(|seen| seen.body.clone()).collect();
    assert_eq!(bodies.len(), 200);
    let fresh = seen.iter().filter(|seen| seen.header("authorization").unwrap().ends_with("canary-wrapper-2"));
    assert_eq!(fresh.count(), 200);
}

#[tokio::test]
async fn a_rejected_request_is_repeated_with_the_same_bytes_and_a_new_token() {
    for code in ["token_expired", "token_invalid"] {
        let service = FakeService::start().await;
        let client = Setup::new(&service.url).start().await;
        service.once(Route::V1, Say::error(code));
        let body: Vec<u8> = (0..=255).cycle().take(8 << 20).collect();
        let answer = client.messages(body.clone()).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"type":"message"}"#));
        let seen = service.seen(Route::V1);
        assert!(seen.len() == 2 && seen.iter().all(|seen| seen.body == body));
        assert_eq!(seen[1].header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-2"));
        let heads = [&seen[0], &seen[1]].map(|seen| {
            let mut headers = seen.headers.clone();
            headers.remove("authorization");
            (seen.target.clone(), headers)
        });
        assert_eq!(heads[0], heads[1]);
    }
}

#[tokio::test]
async fn a_rejected_request_is_repeated_once_at_most() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::V1, Say::error("token_expired"));
    let answer = client.messages("hello").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "token_expired"));
    assert_eq!((service.count(Route::V1), service.tokens_asked()), (2, 2));
}

#[tokio::test]
async fn a_401_of_the_provider_is_passed_on_and_costs_no_token() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let body = r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#;
    for say in [Say::json(401, body), Say::json(401, body).header("x-proxy-token-expired", "true")] {
        service.once(Route::V1, say);
        let answer = client.messages("hello").await;
        assert_eq!((answer.status, answer.text().as_str()), (401, body));
    }
    assert_eq!((service.count(Route::V1), service.tokens_asked()), (2, 1));
}

#[tokio::test]
async fn other_errors_of_the_service_are_passed_on_and_cost_no_token() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for code in ["token_missing", "model_not_allowed", "overloaded", "upstream_timeout"] {
        service.once(Route::V1, Say::error(code));
        assert_eq!(client.messages("hello").await.error_code(), code);
    }
    service.once(Route::V1, Say::json(200, "{}").header("x-valetkey-error", "token_expired"));
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((service.count(Route::V1), service.tokens_asked()), (5, 1));
}

#[tokio::test]
async fn a_request_whose_answer_has_begun_is_never_repeated() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let event = "event: error\ndata: {\"error_code\":\"token_expired\"}\n\n";
    service.once(Route::V1, Say::cut_stream(&["event: message_start\n\n", event]));
    let headers = [("authorization", client.bearer())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = testkit::http::open(&format!("{}/v1/messages", client.url()), &headers, "hello").await;
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    assert_eq!((service.count(Route::V1), service.tokens_asked()), (1, 1));
}

#[tokio::test]
async fn a_body_over_the_buffer_limit_gets_a_401_that_asks_for_a_retry() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::V1, Say::error("token_expired"));
    let body = vec![b'x'; 9 << 20];
    let answer = client.messages(body.clone()).await;
    assert_eq!((answer.status, answer.header("x-should-retry")), (401, Some("true")));
    assert_eq!(service.tokens_asked(), 2);
    assert_eq!(client.messages(body).await.status, 200);
    assert!(service.seen(Route::V1).iter().all(|seen| seen.body.len() == 9 << 20));
}

#[tokio::test]
async fn an_early_rejection_of_a_long_body_reaches_the_app() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for _ in 0..5 {
        service.once(Route::V1, Say::error("token_expired").early());
        client.clock.advance(Duration::from_secs(61));
        let answer = client.messages(vec![b'x'; 30 << 20]).await;
        assert_eq!((answer.status, answer.header("x-should-retry")), (401, Some("true")));
    }
}

#[tokio::test]
async fn a_rejected_request_gets_a_retryable_error_when_no_new_token_comes() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.expire_tokens();
    service.always(Route::Bootstrap, Say::json(503, "{}"));
    let answer = client.messages("hello").await;
    assert_eq!(answer.header("x-should-retry"), Some("true"), "{} {}", answer.status, answer.text());
    service.heal(Route::Bootstrap);
    client.clock.advance(Duration::from_secs(2));
    assert_eq!(client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn a_long_request_without_a_token_gets_an_error_and_no_broken_connection() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.always(Route::Bootstrap, Say::json(503, "{}").header("retry-after", "600"));
    client.clock.advance(25 * HOUR);
    for _ in 0..5 {
        let answer = client.messages(vec![b'x'; 30 << 20]).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "not_ready"));
    }
}

#[tokio::test]
async fn old_connections_are_not_used_again_after_a_sleep() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    client.messages("{}").await;
    let before = service.connections();
    client.messages("{}").await;
    assert_eq!(service.connections(), before, "a connection is used again");
    client.client.resumed();
    client.messages("{}").await;
    assert_eq!(service.connections(), before + 1);
}

#[tokio::test]
async fn a_request_with_a_revoked_token_changes_the_status_and_is_not_repeated() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for route in [Route::V1, Route::Refresh, Route::Bootstrap] {
        service.always(route, Say::error("token_revoked"));
    }
    let answer = client.messages("{}").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "token_revoked"));
    client.wait_for("revoked", |status| status.state == valetkey::client::status::ClientState::Revoked).await;
    assert_eq!(service.count(Route::V1), 1, "the request is not repeated");
}
