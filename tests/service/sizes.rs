//! Bodies and heads that are too large, too slow or too many.

use testkit::http::wire::{Wire, post};
use testkit::http::{growing_body, post_chunked};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f53_a_body_that_announces_too_much_is_refused_before_it_is_read() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for length in ["33554433", "9999999999999999999", "18446744073709551615", "99999999999999999999"] {
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\ncontent-length: {length}\r\n"
        );
        let response = Wire::ask(&service.url, format!("{head}expect: 100-continue\r\n\r\n")).await;
        assert!([400, 413, 431].contains(&response.status()), "{length}: {}", response.head);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn f53_a_refused_body_does_not_keep_its_client_from_reading_the_refusal() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for _ in 0..2 {
        let answer = service.messages(&token, vec![b' '; 33_554_433]).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (413, "payload_too_large"));
        assert_eq!(answer.json()["error"]["type"], "request_too_large");
        assert_eq!(service.messages("sk-ant-proxy-wrong", vec![b' '; 8 << 20]).await.status, 401);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn f53_a_body_that_grows_too_large_is_refused_while_it_comes() {
    for leg in Leg::ALL {
        for max in [1000, 3 << 20] {
            let upstream = leg.upstream();
            let service = TestService::before_with(&upstream, |flags| flags.set("MAX_PAYLOAD_SIZE", max.to_string()));
            let token = service.token().await;
            let bearer = format!("Bearer {token}");
            let pieces = vec![vec![b' '; 100_000]; 1 + max / 100_000];
            let answer = post_chunked(&service.at("/v1/messages"), &[("authorization", &bearer)], pieces).await;
            assert_eq!((answer.status, answer.error_code().as_str()), (413, "payload_too_large"), "{leg:?} {max}");
            assert!(!upstream.requests().iter().any(|received| received.complete), "{leg:?} {max}");
            let whole = vec![b' '; max];
            assert_ne!(service.messages(&token, whole).await.status, 413, "{leg:?} {max}");
        }
    }
}

#[tokio::test]
async fn f16_an_early_answer_reaches_a_client_that_is_still_sending() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::error(413, "request_too_large", "Request exceeds the maximum size").before_body());
        let answer = service.messages(&token, vec![b' '; 30_000_000]).await;
        assert_eq!(answer.status, 413, "{leg:?}");
        assert!(answer.text().contains("maximum size"), "{leg:?}: {}", answer.text());
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{leg:?}");
        assert_eq!(service.usage.wait_for(2).await.len(), 2);
    }
}

#[tokio::test]
async fn f16_a_client_that_waits_for_100_continue_gets_it_and_one_answer() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let mut wire = Wire::connect(&service.url).await;
    let request = post("/v1/messages", &token, &["expect: 100-continue"], BODY);
    let (head, body) = request.split_at(request.len() - BODY.len());
    wire.send(head).await;
    assert_eq!(wire.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    wire.send(body).await;
    assert_eq!(wire.response().await.status(), 200);
    assert_eq!(upstream.requests()[0].header("expect"), None);
    // A refusal comes in place of the word to go on.
    let refused = post("/v1/messages", "wrong", &["expect: 100-continue"], BODY);
    assert_eq!(Wire::ask(&service.url, &refused[..refused.len() - BODY.len()]).await.status(), 401);
}

#[tokio::test]
async fn f58_a_head_that_does_not_end_is_closed_at_the_limit() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| flags.set("REQUEST_TIMEOUT", "300"));
    let mut wire = Wire::connect(&service.url).await;
    wire.send("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
    let idle = Wire::connect(&service.url).await;
    let (came, _) = wire.rest().await;
    assert!(!came.starts_with(b"HTTP/1.1 2"));
    assert!(idle.rest().await.0.is_empty());
}

#[tokio::test]
async fn f58_a_body_that_stalls_is_ended_at_the_limit_and_so_is_its_way_up() {
    for leg in Leg::ALL {
        for sent in [1000, 2 << 20] {
            let upstream = leg.upstream();
            let service = TestService::before_with(&upstream, |flags| flags.set("REQUEST_TIMEOUT", "300"));
            let token = service.token().await;
            let (sender, body) = growing_body();
            sender.send(vec![b' '; sent]).unwrap();
            let request = testkit::http::client().post(service.at("/v1/messages")).bearer_auth(&token).body(body);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 400, "{leg:?} {sent}");
            assert_eq!(answer.headers()["x-valetkey-error"], "body_timeout", "{leg:?} {sent}");
            let complete = upstream.requests().iter().any(|received| received.complete);
            assert!(!complete, "{leg:?} {sent}");
            drop(sender);
        }
    }
}

#[tokio::test]
async fn an_upstream_that_reads_slowly_is_no_stall_of_the_client() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("REQUEST_TIMEOUT", "300"));
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::json(200, serde_json::json!({})).hold_before_body(gate.clone()));
    let opened = async {
        tokio::time::sleep(std::time::Duration::from_millis(900)).await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(service.messages(&token, vec![b' '; 30_000_000]), opened);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn f59_heads_beyond_every_measure_are_refused() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let many: Vec<_> = (0..200).map(|number| format!("x-{number}: 1")).collect();
    let long = format!("x-long: {}", "x".repeat(1 << 20));
    let url = format!("/v1/messages?{}", "x".repeat(64 << 10));
    for (request, status) in [
        (post("/v1/messages", &token, &many.iter().map(String::as_str).collect::<Vec<_>>(), BODY), "431"),
        (post("/v1/messages", &token, &[&long], BODY), "431"),
        (post(&url, &token, &[], BODY), "414"),
    ] {
        let mut wire = Wire::connect(&service.url).await;
        let _ = wire.try_send(request).await;
        let (came, _) = wire.rest().await;
        let came = String::from_utf8_lossy(&came);
        assert!(came.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {came}");
    }
    let some: Vec<_> = (0..60).map(|number| format!("x-{number}: {}", "y".repeat(1000))).collect();
    let some = post("/v1/messages", &token, &some.iter().map(String::as_str).collect::<Vec<_>>(), BODY);
    assert_eq!(Wire::ask(&service.url, some).await.status(), 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn f74_a_head_is_refused_above_64_kib_and_taken_below_however_it_arrives() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for (length, status) in
        [(60_000, 200), (65_535, 200), (65_536, 200), (65_537, 431), (70_000, 431), (90_000, 431), (127_000, 431)]
    {
        let without = post("/v1/messages", &token, &["x-long: "], BODY).len() - BODY.len();
        let long = format!("x-long: {}", "x".repeat(length - without));
        let request = post("/v1/messages", &token, &[&long], BODY);
        for piece in [length, 65_535, 32_768, 8191, 1000] {
            let mut wire = Wire::connect(&service.url).await;
            for piece in request.as_bytes().chunks(piece) {
                // A head that is much too long is refused before all of it has come.
                if wire.try_send(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let head = wire.head().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{length} in pieces of {piece}: {head}");
            // hyper itself refuses a much longer one.
            let is_told = head.contains("x-valetkey-error: head_too_large\r\n") || length > 96 << 10;
            assert_eq!(is_told, status == 431, "{length} in pieces of {piece}: {head}");
        }
    }
    assert_eq!(upstream.requests().len(), 15);
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
