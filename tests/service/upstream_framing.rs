//! Answers of the upstream that are not good HTTP, and connections that end at a bad moment.

use valetkey::service::meter::usage::Ended;

use testkit::http::wire::{Wire, messages};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::{Answer, Cut, Upstream};

#[tokio::test]
async fn f15_an_answer_that_is_not_http_is_a_502_and_one_that_breaks_off_a_503() {
    for bytes in [
        "this is not http\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "",
        "HTTP/1.1 200 OK\r\nx: cut",
    ] {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::raw(bytes.into()));
        let answer = service.messages(&token, BODY).await;
        let code = answer.error_code();
        let told = (answer.status, code.as_str());
        assert!(matches!(told, (502, "upstream_invalid") | (503, "upstream_dropped")), "{bytes:?}: {told:?}");
        let records = service.usage.wait_for(1).await;
        assert_eq!((records.len(), records[0].ended), (1, Ended::Error), "{bytes:?}");
        assert_eq!(upstream.requests().len(), 1, "{bytes:?}: sent once");
    }
}

#[tokio::test]
async fn f15_an_answer_with_two_lengths_is_refused_and_its_connection_is_not_used_again() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 50\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::raw(bytes.into()).keep_open());
        let answer = service.messages(&token, BODY).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_invalid"));
        assert!(service.messages(&token, BODY).await.text().contains("stand-in"));
        assert_eq!(upstream.connections(), 2);
        assert_eq!(service.usage.wait_for(2).await[0].ended, Ended::Error);
    }
}

#[tokio::test]
async fn f15_a_body_that_breaks_its_framing_ends_abnormally() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    for rest in [
        "content-length: 50\r\n\r\nshort",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello!!\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n",
    ] {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::raw(format!("{head}{rest}").into_bytes()));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        let (came, _) = wire.rest().await;
        let came = String::from_utf8_lossy(&came);
        assert!(came.starts_with("HTTP/1.1 200 "), "{rest:?}: {came}");
        assert!(!came.ends_with("0\r\n\r\n"), "{rest:?}: {came}");
        assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::UpstreamCut, "{rest:?}");
    }
}

#[tokio::test]
async fn f73_an_answer_with_malformed_trailers_is_cut_and_its_connection_is_not_used_again() {
    for section in ["no colon\0\r\n\r\n", " x: y\r\n\r\n", "x: y\r\n z\r\n\r\n", ": y\r\n\r\n", "x: y\n\r\n", "\n"] {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{section}");
        upstream.answer_next(Answer::raw(answer.into_bytes()).keep_open());
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        let (came, _) = wire.rest().await;
        let came = String::from_utf8_lossy(&came);
        assert!(came.contains("hello") && !came.ends_with("0\r\n\r\n"), "{section:?}: {came}");
        assert!(service.messages(&token, BODY).await.text().contains("stand-in"), "{section:?}");
        assert_eq!(upstream.connections(), 2, "{section:?}");
        assert_eq!(service.usage.wait_for(2).await[0].ended, Ended::UpstreamCut, "{section:?}");
    }
}

#[tokio::test]
async fn f15_bytes_behind_an_answer_never_become_the_next_one() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let one = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    upstream.answer_next(Answer::raw(format!("{one}{smuggled}").into_bytes()).keep_open());
    assert_eq!(service.messages(&token, BODY).await.text(), "{}");
    for _ in 0..3 {
        assert!(service.messages(&token, BODY).await.text().contains("stand-in"));
    }
}

#[tokio::test]
async fn f16_informational_answers_are_not_the_answer() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    upstream.answer_next(Answer::raw(format!("{hints}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}").into()));
    let answer = service.messages(&token, BODY).await;
    assert_eq!((answer.status, answer.text().as_str(), answer.header("link")), (200, "{}", None));
}

#[tokio::test]
async fn f16_informational_answers_without_end_are_given_up() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let end = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    for (hints, status) in [(32, 200), (33, 502), (10_000, 502)] {
        let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        upstream.answer_next(Answer::raw(format!("{}{end}", hint.repeat(hints)).into()));
        assert_eq!(service.messages(&token, BODY).await.status, status, "{hints}");
    }
}

#[tokio::test]
async fn a_length_of_an_answer_that_has_no_body_by_its_status_means_nothing() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for status in ["204 No Content", "304 Not Modified"] {
        upstream.answer_next(Answer::raw(format!("HTTP/1.1 {status}\r\ncontent-length: 100\r\n\r\n").into()));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        let head = wire.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")) && !head.contains("content-length"), "{head}");
        wire.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert_eq!(wire.response().await.status(), 200);
    }
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    upstream.answer_next(Answer::raw(b"HTTP/1.0 200 OK\r\n\r\nhello".to_vec()));
    assert_eq!(service.messages(&token, BODY).await.text(), "hello");
    assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::Complete);
}

#[tokio::test]
async fn a25_the_upstream_cannot_switch_protocols() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nbytes";
    upstream.answer_next(Answer::raw(switch.into()));
    let answer = service.messages(&token, BODY).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_invalid"));
}

#[tokio::test]
async fn a42_a_header_of_the_upstream_cannot_hold_another() {
    for line in [
        "x-a: b\rset-cookie: a=b",
        "x-a: b\r\n set-cookie: a=b",
        "x-a: b\0set-cookie: a=b",
        "x-a: b\x0bset-cookie: a=b",
        "x-a\r: b",
        "x a: b",
        " x-a: b",
    ] {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let answer = format!("HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 2\r\n\r\n{{}}");
        upstream.answer_next(Answer::raw(answer.into_bytes()));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        let response = wire.response().await;
        assert_eq!(
            (response.status(), response.header("x-valetkey-error")),
            (502, Some("upstream_invalid")),
            "{line:?}"
        );
        assert!(!response.head.contains("set-cookie"), "{line:?}: {}", response.head);
    }
    // An escaped line end is no line end.
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    upstream.answer_next(Answer::json(200, serde_json::json!({})).header("x-a", "b%0d%0aset-cookie: a=b"));
    let answer = service.messages(&token, BODY).await;
    assert_eq!((answer.header("x-a"), answer.header("set-cookie")), (Some("b%0d%0aset-cookie: a=b"), None));
}

#[tokio::test]
async fn f17_a_request_that_may_have_arrived_is_never_sent_twice() {
    for leg in Leg::ALL {
        for fault in [Answer::raw(Vec::new()), Answer::message_stream("a").cut_after(0, Cut::Reset)] {
            let upstream = leg.upstream();
            let service = TestService::before(&upstream);
            let token = service.token().await;
            assert_eq!(service.messages(&token, BODY).await.status, 200);
            // The pooled connection dies with the request on it.
            upstream.answer_next(fault);
            let mut wire = Wire::connect(&service.url).await;
            wire.send(messages(&token, BODY)).await;
            wire.until(b"\r\n\r\n").await;
            service.usage.wait_for(2).await;
            assert_eq!((upstream.requests().len(), upstream.connections()), (2, 1), "{leg:?}");
        }
    }
}

#[tokio::test]
async fn f17_idle_connections_that_the_upstream_closed_are_noticed() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for _ in 0..20 {
        // Closed right after the answer, with no word about it in the answer.
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec();
        upstream.answer_next(Answer::raw(whole));
        let answer = service.messages(&token, BODY).await;
        assert!(answer.status == 200 || answer.error_code() == "upstream_dropped", "{}", answer.text());
    }
    let records = service.usage.wait_for(20).await;
    assert!(upstream.requests().len() <= 20, "at most one send for each request");
    assert_eq!(records.len(), 20);
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
