//! HTTP/1.1 from the upstream at its edges: odd status lines, chunks, and the end of a connection.

use valetkey::service::meter::usage::Ended;

use testkit::http::get;
use testkit::http::wire::{Wire, messages};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::{Answer, Cut, Gate, Upstream};

#[tokio::test]
async fn a_trailer_longer_than_one_read_is_waited_for_and_read_over() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let begun = format!("{CHUNKED}5\r\nhello\r\n0\r\nx-long: {}", "x".repeat(9000));
    let (whole, gate) = (format!("{begun}\r\n\r\n"), Gate::new());
    upstream.answer_next(kept_open(whole).in_pieces(begun.len()).hold_after(1, gate.clone()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    wire.head().await;
    assert_eq!(wire.chunk().await.as_deref(), Some(b"hello".as_slice()));
    assert_eq!(get(&service.at("/healthz"), &[]).await.status, 200, "the only worker is free meanwhile");
    gate.open();
    assert_eq!(wire.chunk().await, None);
    assert!(service.messages(&token, BODY).await.text().contains("stand-in"));
    assert_eq!((upstream.connections(), service.usage.wait_for(2).await[0].ended), (1, Ended::Complete));
}

#[tokio::test]
async fn a_status_line_with_no_reason_or_an_odd_one_is_relayed() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for (line, relayed) in [
        (b"HTTP/1.1 200".as_slice(), "HTTP/1.1 200 OK\r\n"),
        (b"HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\n"),
        ("HTTP/1.1 529 überlastet".as_bytes(), "HTTP/1.1 529 "),
        (b"HTTP/1.1 529 \xff\xfe", "HTTP/1.1 529 "),
        (b"HTTP/1.1 529 Site is overloaded", "HTTP/1.1 529 Site is overloaded\r\n"),
    ] {
        upstream.answer_next(kept_open([line, b"\r\ncontent-length: 2\r\n\r\n{}"].concat()));
        let response = Wire::ask(&service.url, messages(&token, BODY)).await;
        assert!(response.head.starts_with(relayed), "{}", response.head);
        assert_eq!(response.body, b"{}");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn f15_a_body_behind_an_answer_that_has_none_is_nobodys() {
    for coding in ["content-length: 5", "transfer-encoding: chunked"] {
        for status in ["204 No Content", "304 Not Modified"] {
            let upstream = Upstream::start();
            let service = TestService::before(&upstream);
            let token = service.token().await;
            let (head, gate) = (format!("HTTP/1.1 {status}\r\n{coding}\r\n\r\n"), Gate::new());
            let whole = format!("{head}5\r\nhello\r\n0\r\n\r\n");
            upstream.answer_next(kept_open(whole).in_pieces(head.len()).hold_after(1, gate.clone()));
            assert!(matches!(service.messages(&token, BODY).await.status, 204 | 304), "{status}, {coding}");
            gate.open();
            assert!(service.messages(&token, BODY).await.text().contains("stand-in"), "{status}, {coding}");
            assert_eq!(upstream.connections(), 2, "{status}, {coding}");
        }
    }
}

#[tokio::test]
async fn a_length_that_is_said_twice_is_passed_on_once() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for lengths in ["content-length: 2, 2", "content-length: 2\r\ncontent-length: 2"] {
        upstream.answer_next(kept_open(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\n{{}}")));
        let response = Wire::ask(&service.url, messages(&token, BODY)).await;
        let said: Vec<_> = response.head.lines().filter(|line| line.starts_with("content-length")).collect();
        assert_eq!((said, response.body.as_slice()), (vec!["content-length: 2"], b"{}".as_slice()), "{lengths}");
    }
}

#[tokio::test]
async fn a_chunk_without_a_size_ends_the_answer_and_its_connection() {
    for line in ["\r\n\r\n", ";x\r\n\r\n", "zz\r\n"] {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(kept_open(format!("{CHUNKED}5\r\nhello\r\n{line}")));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        wire.head().await;
        assert_eq!(wire.chunk().await.as_deref(), Some(b"hello".as_slice()), "{line:?}");
        let (came, _) = wire.rest().await;
        assert!(came.is_empty(), "{line:?}: {}", String::from_utf8_lossy(&came));
        assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::UpstreamCut, "{line:?}");
        assert!(service.messages(&token, BODY).await.text().contains("stand-in"), "{line:?}");
        assert_eq!(upstream.connections(), 2, "{line:?}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_when_the_upstream_means_to_keep_it() {
    for (head, connections) in [
        ("HTTP/1.1 200 OK", 1),
        ("HTTP/1.1 200 OK\r\nconnection: close", 2),
        ("HTTP/1.1 200 OK\r\nconnection: x-option, Close", 2),
        ("HTTP/1.0 200 OK", 2),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive", 1),
    ] {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(kept_open(format!("{head}\r\ncontent-length: 2\r\n\r\n{{}}")));
        assert_eq!(service.messages(&token, BODY).await.text(), "{}", "{head}");
        assert!(service.messages(&token, BODY).await.text().contains("stand-in"), "{head}");
        assert_eq!(upstream.connections(), connections, "{head}");
    }
}

#[tokio::test]
async fn an_answer_without_a_length_is_not_whole_when_its_connection_breaks() {
    // Over TLS the end of the connection counts only when it is announced.
    for (leg, cut) in [(Leg::Plain, Cut::Reset), (Leg::Tls, Cut::Reset), (Leg::Tls, Cut::Fin)] {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let gate = Gate::new();
        let begun = kept_open("HTTP/1.0 200 OK\r\n\r\nhello");
        upstream.answer_next(begun.hold_after(1, gate.clone()).cut_after(1, cut));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        wire.head().await;
        assert_eq!(wire.chunk().await.as_deref(), Some(b"hello".as_slice()), "{leg:?} {cut:?}");
        gate.open();
        let (came, _) = wire.rest().await;
        assert!(came.is_empty(), "{leg:?} {cut:?}: {}", String::from_utf8_lossy(&came));
        assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::UpstreamCut, "{leg:?} {cut:?}");
    }
}

fn kept_open(bytes: impl Into<Vec<u8>>) -> Answer {
    Answer::raw(bytes.into()).keep_open()
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
