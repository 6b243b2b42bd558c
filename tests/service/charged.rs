//! What is charged for a request that does not end as it should: all that was seen of it, and never twice (A44).

use serde_json::json;
use valetkey::service::meter::usage::{CostCertainty, Ended};

use testkit::http::wire::{Wire, messages};
use testkit::service::TestService;
use testkit::upstream::{Answer, Cut, Gate, Upstream};

#[tokio::test]
async fn a44_tokens_that_were_seen_before_a_client_left_count_against_its_limit() {
    // The first event of the stand-in: 25 tokens of input and 10 written to the cache.
    for (limit, next) in [("35", 429), ("1000", 200)] {
        let (upstream, service) = limited(limit);
        let token = service.token().await;
        leave_after_the_first_event(&upstream, &service, &token).await;
        let record = service.usage.wait_for(1).await.remove(0);
        assert_eq!((record.ended, record.tokens.input_tokens), (Ended::Cancelled, 25));
        assert_eq!(service.messages(&token, BODY).await.status, next, "{limit}");
    }
}

#[tokio::test]
async fn a44_tokens_are_charged_once_however_the_request_ended() {
    for end in ["complete", "left", "cut", "stalled"] {
        // Room for one message of 36 tokens and for no second; one that is charged twice would shut the door already.
        let upstream = Upstream::start();
        let service = TestService::before_with(&upstream, |flags| {
            flags.set("TOKENS_PER_MINUTE", "70");
            flags.set("UPSTREAM_IDLE_TIMEOUT", "200");
        });
        let token = service.token().await;
        match end {
            "complete" => {
                upstream.answer_next(Answer::message_stream("hello"));
                assert_eq!(service.messages(&token, BODY).await.status, 200);
            }
            "left" => leave_after_the_first_event(&upstream, &service, &token).await,
            "cut" => {
                upstream.answer_next(Answer::message_stream("hello").cut_after(2, Cut::Fin));
                let mut wire = Wire::connect(&service.url).await;
                wire.send(messages(&token, BODY)).await;
                wire.rest().await;
            }
            _ => {
                upstream.answer_next(Answer::message_stream("hello").hold_after(2, Gate::new()));
                service.messages(&token, BODY).await;
            }
        }
        service.usage.wait_for(1).await;
        upstream.answer_next(Answer::message_stream("hello"));
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{end}: charged once");
        service.usage.wait_for(2).await;
        assert_eq!(service.messages(&token, BODY).await.status, 429, "{end}: but charged");
        on_record(&service, 2, 50, end).await;
    }
}

#[tokio::test]
async fn a44_who_leaves_before_the_end_of_a_whole_answer_is_charged_for_what_came() {
    let (upstream, service) = limited("1000");
    let token = service.token().await;
    // As the API writes it: usage comes last, and with it would come the true count.
    let text = "x".repeat(40_000);
    let body = format!(
        r#"{{"model":"claude-sonnet-5-5","content":[{{"type":"text","text":"{text}"}}],"usage":{{"input_tokens":1,"output_tokens":2}}}}"#
    );
    let answer = Answer::whole(200, "application/json", body.into_bytes());
    upstream.answer_next(answer.in_pieces(30_000).hold_after(1, Gate::new()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    wire.until(&[b'x'; 29_000]).await;
    drop(wire);
    let record = service.usage.wait_for(1).await.remove(0);
    assert_eq!((record.ended, record.output_estimated, record.no_usage), (Ended::Cancelled, true, true));
    assert!((7_000..=7_500).contains(&record.tokens.output_tokens), "{:?}", record.tokens);
    assert_eq!(record.cost_certainty, CostCertainty::Unknown, "its input was never said");
    assert_eq!(service.messages(&token, BODY).await.status, 429);
}

#[tokio::test]
async fn a44_a_retry_is_another_request_with_a_record_of_its_own() {
    let (upstream, service) = limited("100000");
    let token = service.token().await;
    upstream.answer_next(Answer::message_stream("hello").cut_after(2, Cut::Fin));
    upstream.answer_next(Answer::error(529, "overloaded_error", "Overloaded"));
    upstream.answer_next(Answer::message_stream("hello"));
    for _ in 0..3 {
        let retried = messages(&token, BODY).replacen("\r\n", "\r\nidempotency-key: the-same\r\n", 1);
        let mut wire = Wire::connect(&service.url).await;
        wire.send(retried.replacen("\r\n", "\r\nconnection: close\r\n", 1)).await;
        wire.rest().await;
    }
    let records = service.usage.wait_for(3).await;
    assert_eq!(
        records.iter().map(|record| record.ended).collect::<Vec<_>>(),
        [Ended::UpstreamCut, Ended::Error, Ended::Complete]
    );
    let ids: std::collections::HashSet<_> = records.iter().map(|record| &record.request_id).collect();
    assert_eq!((ids.len(), upstream.requests().len()), (3, 3));
    // An error costs nothing; what was cut costs what was seen.
    on_record(&service, 3, 50, "retries").await;
}

/// Waits until the database has so many requests, and compares their input.
async fn on_record(service: &TestService, requests: u64, input: u64, what: &str) {
    let sums = async || service.admin("GET", "/admin/usage", None).await.json();
    service.until(async || sums().await["total"]["requests"] == requests).await;
    let total = sums().await["total"].clone();
    assert_eq!((&total["requests"], &total["input_tokens"]), (&json!(requests), &json!(input)), "{what}");
}

/// Reads the first event of a stream that goes on, and leaves.
async fn leave_after_the_first_event(upstream: &Upstream, service: &TestService, token: &str) {
    upstream.answer_next(Answer::message_stream("one two three").hold_after(1, Gate::new()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(token, BODY)).await;
    wire.until(b"message_start").await;
    drop(wire);
    service.usage.wait_for(1).await;
}

fn limited(tokens_per_minute: &str) -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("TOKENS_PER_MINUTE", tokens_per_minute));
    (upstream, service)
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
