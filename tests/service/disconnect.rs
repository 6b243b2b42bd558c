//! A client that leaves: the upstream stops working for nobody, and one record is left.

use std::time::{Duration, Instant};

use valetkey::service::meter::usage::Ended;

use testkit::http::growing_body;
use testkit::http::wire::{Wire, messages};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f54_a_client_that_leaves_closes_the_upstream() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::message_stream("one two three").hold_after(4, Gate::new()));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        wire.until(b"content_block_delta").await;
        let left = Instant::now();
        drop(wire);
        let noticed = upstream.wait_for_abandoned().await.duration_since(left);
        assert!(noticed < AT_ONCE, "{leg:?}: {noticed:?}");
        let records = service.usage.wait_for(1).await;
        assert_eq!((records[0].ended, records[0].status), (Ended::Cancelled, Some(200)), "{leg:?}");
        assert_eq!((records[0].tokens.input_tokens, records[0].tokens.cache_write_5m_tokens), (25, 4), "{leg:?}");
        assert!(records[0].output_estimated && records[0].tokens.output_tokens >= 1, "{leg:?}");
    }
}

#[tokio::test]
async fn f54_a_client_that_leaves_before_the_first_byte_closes_the_upstream() {
    for leg in Leg::ALL {
        for answer in [Answer::message_stream("hello"), Answer::whole(200, "application/json", b"{}".to_vec())] {
            let upstream = leg.upstream();
            let service = TestService::before(&upstream);
            let token = service.token().await;
            upstream.answer_next(answer.hold_before_head(Gate::new()));
            let mut wire = Wire::connect(&service.url).await;
            wire.send(messages(&token, BODY)).await;
            upstream.wait_for_open_streams(1).await;
            let left = Instant::now();
            drop(wire);
            let noticed = upstream.wait_for_abandoned().await.duration_since(left);
            assert!(noticed < AT_ONCE, "{leg:?}: {noticed:?}");
            let records = service.usage.wait_for(1).await;
            assert_eq!((records[0].ended, records[0].status), (Ended::Cancelled, None), "{leg:?}");
        }
    }
}

#[tokio::test]
async fn f54_a_client_that_resets_in_a_whole_answer_closes_the_upstream() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let answer = Answer::whole(200, "application/json", br#"{"usage":{"input_tokens":3},"content":"#.to_vec());
    upstream.answer_next(answer.in_pieces(35).hold_after(1, Gate::new()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    wire.until(b"input_tokens").await;
    wire.reset();
    upstream.wait_for_abandoned().await;
    let records = service.usage.wait_for(1).await;
    assert_eq!((records[0].ended, records[0].tokens.input_tokens), (Ended::Cancelled, 3));
}

#[tokio::test]
async fn a_client_that_leaves_while_it_sends_takes_the_upstream_with_it() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let mut wire = Wire::connect(&service.url).await;
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\ncontent-length: 9000000\r\n\r\n"
        );
        wire.send(head).await;
        wire.send(vec![b' '; 2 << 20]).await;
        upstream.wait_until("half of it", |all| all.first().is_some_and(|one| one.body.len() > 1 << 20)).await;
        drop(wire);
        upstream.wait_for_requests(1).await;
        assert!(!upstream.requests()[0].complete, "{leg:?}");
        let records = service.usage.wait_for(1).await;
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].ended, records[0].model_asked.is_none()), (Ended::Cancelled, true), "{leg:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_it_sends_and_is_answered_is_recorded_with_what_was_answered() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::message_stream("one").before_body().hold_after(1, Gate::new()));
        let mut wire = Wire::connect(&service.url).await;
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\ncontent-length: 9000000\r\n\r\n"
        );
        wire.send(head).await;
        wire.send(vec![b' '; 2 << 20]).await;
        wire.until(b"message_start").await;
        drop(wire);
        let records = service.usage.wait_for(1).await;
        assert_eq!((records[0].ended, records[0].status), (Ended::Cancelled, Some(200)), "{leg:?}");
        assert_eq!((records[0].tokens.input_tokens, records[0].tokens.cache_write_5m_tokens), (25, 4), "{leg:?}");
        upstream.wait_for_abandoned().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_anything_went_up_leaves_no_trace() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let (sender, body) = growing_body();
    let bearer = format!("Bearer {token}");
    let request = testkit::http::client().post(service.at("/v1/messages")).header("authorization", bearer);
    let sending = tokio::spawn(request.body(body).send());
    sender.send(b"{\"model\":".to_vec()).unwrap();
    tokio::task::yield_now().await;
    sending.abort();
    assert!(sending.await.is_err());
    // The next request proves that the service is past the one before.
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    assert_eq!((upstream.requests().len(), service.usage.wait_for(1).await.len()), (1, 1));
}

#[tokio::test]
async fn an_upstream_connection_is_used_again_after_a_whole_answer_and_never_after_half_of_one() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for _ in 0..3 {
        service.messages(&token, BODY).await;
    }
    assert_eq!(upstream.connections(), 1);
    upstream.answer_next(Answer::message_stream("one two").hold_after(2, Gate::new()));
    drop(service.open(&token, BODY).await);
    upstream.wait_for_abandoned().await;
    let answer = service.messages(&token, BODY).await;
    assert!(answer.text().contains("stand-in"), "{}", answer.text());
    assert_eq!(upstream.connections(), 2);
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;

const AT_ONCE: Duration = Duration::from_millis(250);
