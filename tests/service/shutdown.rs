//! F19: a service that is told to end takes nothing new and finishes what it has begun.

use valetkey::service::meter::usage::Ended;
use valetkey::transport::shutdown::Phase;

use testkit::http::wire::{Wire, messages};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f19_draining_finishes_open_streams_and_takes_nothing_new() {
    let upstream = Upstream::start();
    let mut service = TestService::before(&upstream);
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
    let mut answer = service.open(&token, BODY).await;
    assert!(answer.chunk().await.unwrap().is_some());
    let idle = Wire::connect(&service.url).await;
    // Half a request is on its way when the end begins.
    let mut begun = Wire::connect(&service.url).await;
    begun.send("GET /readyz HTTP/1.1\r\nhost: localhost\r\n").await;
    assert_eq!(Wire::ask(&service.url, "GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.status(), 200);

    service.trigger.advance(Phase::Draining);

    assert_eq!(idle.rest().await.0, b"");
    begun.send("\r\n").await;
    let ready = begun.response().await;
    assert_eq!((ready.status(), ready.header("connection")), (503, Some("close")));
    assert!(Wire::try_connect(&service.url).await.is_err(), "the port is closed");
    gate.open();
    let mut rest = Vec::new();
    while let Some(piece) = answer.chunk().await.unwrap() {
        rest.extend(piece);
    }
    assert!(rest.ends_with(b"{\"type\":\"message_stop\"}\n\n"));
    service.join().await;
    assert_eq!(service.usage.records()[0].ended, Ended::Complete);
}

#[tokio::test]
async fn f19_a_forced_end_tells_open_streams() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let mut service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::message_stream("hello").hold_after(1, Gate::new()));
        upstream.answer_next(Answer::message_stream("hello").gzip().hold_after(1, Gate::new()));
        let (mut plain, mut gzip) = (Wire::connect(&service.url).await, Wire::connect(&service.url).await);
        plain.send(messages(&token, BODY)).await;
        plain.until(b"message_start").await;
        gzip.send(messages(&token, BODY)).await;
        gzip.until(b"\r\n\r\n").await;

        service.trigger.advance(Phase::Draining);
        service.trigger.advance(Phase::Forced);

        let (came, _) = plain.rest().await;
        let came = String::from_utf8_lossy(&came);
        assert!(came.contains("event: error\ndata: ") && came.contains("shutting_down"), "{leg:?}: {came}");
        assert!(came.ends_with("0\r\n\r\n"), "{leg:?}: {came}");
        assert!(!gzip.rest().await.0.ends_with(b"0\r\n\r\n"), "{leg:?}");
        upstream.wait_for_abandoned().await;
        service.join().await;
        let records = service.usage.records();
        assert_eq!(records.len(), 2, "{leg:?}");
        assert!(records.iter().all(|record| record.ended == Ended::Error), "{leg:?}");
        assert_eq!(records[0].tokens.input_tokens, 25, "{leg:?}");
    }
}

#[tokio::test]
async fn f19_a_forced_end_leaves_a_record_of_what_was_never_answered() {
    let upstream = Upstream::start();
    let mut service = TestService::before(&upstream);
    let token = service.token().await;
    upstream.answer_next(Answer::message_stream("hello").hold_before_head(Gate::new()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    upstream.wait_for_open_streams(1).await;
    service.trigger.advance(Phase::Forced);
    wire.rest().await;
    upstream.wait_for_abandoned().await;
    service.join().await;
    assert_eq!(service.usage.records().len(), 1);
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
