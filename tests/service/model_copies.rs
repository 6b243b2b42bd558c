//! Answers about models come from a copy, so that a slow upstream keeps no client waiting.

use std::time::Duration;

use serde_json::json;
use valetkey::service::meter::usage::Ended;

use super::model_list::{ids, list, models};
use testkit::http::get;
use testkit::http::wire::Wire;
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn an_answer_from_a_copy_is_a_request_of_its_own() {
    let (upstream, service) = pair();
    let first = models(&service, "?limit=1000").await;
    service.clock.advance(Duration::from_secs(7));
    let second = models(&service, "?limit=1000").await;
    assert_eq!((first.status, second.status, &first.body), (200, 200, &second.body));
    let [one, other] = [&first, &second].map(|answer| answer.header("request-id").unwrap().to_owned());
    assert!(one.starts_with("req_stand_in_") && other.starts_with("req_vk_"), "{one} {other}");
    assert_eq!((first.header("age"), second.header("age")), (None, Some("7")));
    for answer in [&first, &second] {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("anthropic-ratelimit-")));
    }
    let records = service.usage.wait_for(2).await;
    assert_eq!(
        (records[0].upstream_request_id.as_deref(), records[1].upstream_request_id.as_deref()),
        (Some(&*one), None)
    );
    assert_eq!(records[1].request_id, other);
    assert!(records.iter().all(|record| record.status == Some(200) && record.ended == Ended::Complete));
    assert_eq!((records.len(), upstream.requests().len()), (2, 1));
}

#[tokio::test]
async fn f66_once_there_is_a_copy_a_slow_upstream_keeps_nobody_waiting() {
    let (upstream, service) = pair();
    assert_eq!(ids(&models(&service, "").await).len(), 4);
    service.clock.advance(FRESH);
    let gate = Gate::new();
    upstream.answer_models_next(list(r#"{"id":"claude-new-1"}"#, r#""has_more":false"#).hold_before_head(gate.clone()));
    for _ in 0..3 {
        let stale = models(&service, "").await;
        assert_eq!((ids(&stale).len(), stale.header("age")), (4, Some("300")));
    }
    upstream.wait_for_requests(2).await;
    assert_eq!(upstream.requests().len(), 2, "one renewal");
    gate.open();
    service.until(async || ids(&models(&service, "").await) == ["claude-new-1"]).await;
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn f66_clients_that_ask_at_once_wait_for_one_answer_even_if_the_first_leaves() {
    let (upstream, service) = pair();
    let gate = Gate::new();
    upstream.answer_models_next(list(r#"{"id":"claude-new-1"}"#, r#""has_more":false"#).hold_before_head(gate.clone()));
    let token = service.token().await;
    let mut first = Wire::connect(&service.url).await;
    first.send(format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\n\r\n")).await;
    upstream.wait_for_requests(1).await;
    drop(first);
    assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::Cancelled);
    let url = service.at("/v1/models");
    let waiting = tokio::spawn(async move { get(&url, &[("x-api-key", &token)]).await });
    let other = models(&service, "/claude-opus-5-5").await;
    assert_eq!(other.status, 200, "what waits keeps no other request waiting");
    gate.open();
    assert_eq!(ids(&waiting.await.unwrap()), ["claude-new-1"]);
    let asked: Vec<_> = upstream.requests().into_iter().map(|received| received.target).collect();
    assert_eq!(asked, ["/v1/models", "/v1/models/claude-opus-5-5"]);
}

#[tokio::test]
async fn f66_an_error_of_the_upstream_is_shown_as_it_is_and_never_copied() {
    let (upstream, service) = pair();
    for (status, kind) in [(529, "overloaded_error"), (404, "not_found_error"), (403, "permission_error")] {
        upstream.answer_models_next(Answer::error(status, kind, "not now"));
        let answer = models(&service, "").await;
        if status != 403 {
            assert_eq!((answer.status, &answer.json()["error"]["message"]), (status, &json!("not now")));
            assert!(answer.header("request-id").is_some_and(|id| id.starts_with("req_stand_in_")));
        }
    }
    assert_eq!(models(&service, "").await.status, 200);
    service.clock.advance(FRESH);
    upstream.answer_models_next(Answer::error(500, "api_error", "broken"));
    for _ in 0..2 {
        assert_eq!(models(&service, "").await.status, 200, "the copy stays");
    }
    upstream.wait_for_requests(5).await;
    assert_eq!(service.usage.wait_for(6).await.len(), 6);
}

#[tokio::test]
async fn f66_a_copy_of_yesterday_is_served_only_while_the_upstream_is_away() {
    let (upstream, service) = pair();
    assert_eq!(models(&service, "").await.status, 200);
    service.clock.advance(Duration::from_secs(25 * 3600));
    upstream.answer_models_next(Answer::raw(b"nonsense\r\n\r\n".to_vec()));
    let old = models(&service, "").await;
    assert_eq!((old.status, old.header("age")), (200, Some("90000")));
    upstream.answer_models_next(Answer::error(500, "api_error", "broken"));
    assert_eq!(models(&service, "").await.status, 500);
    let new = models(&service, "").await;
    assert_eq!((new.status, new.header("age")), (200, None));
    assert_eq!(upstream.requests().len(), 4);
}

#[tokio::test]
async fn a43_no_client_decides_what_others_see() {
    let (upstream, service) = pair();
    let token = service.token().await;
    let ask = async |lines: &[(&str, &str)]| {
        let headers = [&[("x-api-key", token.as_str())][..], lines].concat();
        get(&service.at("/v1/models"), &headers).await
    };
    let odd = [
        ("anthropic-version", "2023-06-01"),
        ("accept-encoding", "gzip"),
        ("if-none-match", "\"x\""),
        ("range", "bytes=0-1"),
        ("x-original-url", "/v1/organizations/me"),
        ("user-agent", "odd"),
    ];
    assert_eq!(ask(&odd).await.status, 200);
    assert_eq!(ask(&odd[..1]).await.header("age"), Some("0"), "the same copy");
    let received = upstream.requests().remove(0);
    assert_eq!(received.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(received.header("accept-encoding"), Some("identity"));
    for name in ["if-none-match", "range", "x-original-url", "user-agent"] {
        assert_eq!(received.header(name), None, "{name}");
    }
    for line in [("anthropic-version", "2026-10-21"), ("anthropic-beta", "a-2026-01-01"), ("anthropic-new", "1")] {
        let before = upstream.requests().len();
        assert_eq!(ask(&[line]).await.status, 200);
        assert_eq!(upstream.requests().len(), before + 1, "{line:?} has a copy of its own");
        assert_eq!(upstream.requests()[before].header(line.0), Some(line.1));
    }
}

#[tokio::test]
async fn a48_a_query_that_the_api_does_not_know_goes_up_each_time_and_no_longer_than_its_client_waits() {
    let (upstream, service) = pair();
    for asked in 1..4 {
        let answer = models(&service, "?x=1").await;
        assert_eq!((answer.status, answer.header("age"), upstream.requests().len()), (200, None, asked));
    }
}

#[tokio::test]
async fn a48_clients_that_leave_keep_few_requests_on_their_way_and_others_are_answered() {
    let (upstream, service) = pair();
    let (gate, token) = (Gate::new(), service.token().await);
    for sent in 1..=MOST_FETCHES {
        let held = list(r#"{"id":"claude-new-1"}"#, r#""has_more":false"#).hold_before_head(gate.clone());
        upstream.answer_models_next(held);
        let mut leaves = Wire::connect(&service.url).await;
        let head = format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\n");
        leaves.send(format!("{head}anthropic-beta: invented-{sent}\r\n\r\n")).await;
        upstream.wait_for_requests(sent).await;
    }
    for more in 1..3 {
        let answer = models(&service, "").await;
        assert_eq!((answer.status, answer.header("age")), (200, None), "without a copy");
        assert_eq!(upstream.requests().len(), MOST_FETCHES + more);
    }
    gate.open();
    service.until(async || models(&service, "").await.header("age").is_some()).await;
}

#[tokio::test]
async fn f56_a_revoked_device_gets_no_copy() {
    let (_upstream, service) = pair();
    let token = service.token().await;
    let ask = async || get(&service.at("/v1/models"), &[("x-api-key", &token)]).await;
    assert_eq!(ask().await.status, 200);
    let revoked = service.admin("POST", "/admin/revocations", Some(json!({ "device_id": "device-0001" }))).await;
    assert_eq!(revoked.status, 201, "{}", revoked.text());
    assert_eq!((ask().await.status, ask().await.error_code().as_str()), (401, "token_revoked"));
}

fn pair() -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    (upstream, service)
}

/// Requests for copies that are on their way at once.
const MOST_FETCHES: usize = 8;

/// How long a copy is served without a look at the upstream.
const FRESH: Duration = Duration::from_secs(5 * 60);
