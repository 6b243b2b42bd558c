//! Clients that take their time, and what that costs others (F09, F54, F55, F58).

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use valetkey::service::meter::usage::Ended;

use testkit::http::get;
use testkit::http::raw::Raw;
use testkit::http::wire::{Wire, messages};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f09_an_answer_may_come_later_than_every_limit_of_its_request() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before_with(&upstream, |flags| {
            flags.set("REQUEST_TIMEOUT", "200");
            flags.set("CLIENT_READ_TIMEOUT", "200");
            flags.set("UPSTREAM_IDLE_TIMEOUT", "200");
        });
        let token = service.token().await;
        upstream.answer_next(Answer::message_stream("late").delayed(Duration::from_millis(700)));
        let answer = service.messages(&token, BODY).await;
        assert_eq!(answer.status, 200, "{leg:?}");
        assert!(answer.text().contains("message_stop"), "{leg:?}: {}", answer.text());
        assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::Complete, "{leg:?}");
    }
}

/// hyper's own rule, kept: a client that closes its half is taken for gone, as most that do so are.
#[tokio::test]
async fn f54_a_client_that_closes_its_half_counts_as_gone() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    upstream.answer_next(Answer::message_stream("hello").hold_after(1, Gate::new()));
    let mut raw = Raw::connect(&service.url).await;
    raw.send(messages(&token, BODY)).await;
    raw.read_until("message_start").await;
    let mut socket = raw.into_inner();
    let left = Instant::now();
    socket.shutdown().await.unwrap();
    let noticed = upstream.wait_for_abandoned().await.duration_since(left);
    assert!(noticed < Duration::from_millis(250), "{noticed:?}");
    let records = service.usage.wait_for(1).await;
    assert_eq!((records.len(), records[0].ended), (1, Ended::Cancelled));
}

#[tokio::test]
async fn f55_a_client_that_takes_nothing_is_cut_at_the_limit_and_its_upstream_with_it() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before_with(&upstream, |flags| {
            flags.set("CLIENT_READ_TIMEOUT", "300");
            flags.set("CONCURRENT_REQUESTS", "1");
        });
        let token = service.token().await;
        upstream.answer_next(Answer::whole(200, "application/octet-stream", vec![b'x'; LARGE]));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        // Nobody reads. Much fits into the sockets in between, and not all of it.
        let records = service.usage.wait_for(1).await;
        assert_eq!((records[0].ended, records[0].status), (Ended::Cancelled, Some(200)), "{leg:?}");
        upstream.wait_for_open_streams(0).await;
        let (came, _) = wire.rest().await;
        assert!(came.len() < LARGE, "{leg:?}: it does not pass for whole");
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{leg:?}: its place was given back");
    }
}

#[tokio::test]
async fn f55_a_client_that_takes_little_by_little_gets_all_of_it() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("CLIENT_READ_TIMEOUT", "500"));
    let token = service.token().await;
    upstream.answer_next(Answer::whole(200, "application/octet-stream", vec![b'x'; LARGE]));
    let mut raw = Raw::connect(&service.url).await;
    raw.send(messages(&token, BODY)).await;
    raw.read_until("\r\n\r\n").await;
    let mut socket = raw.into_inner();
    let began = Instant::now();
    let (mut came, mut piece) = (0, vec![0; LARGE / 16]);
    while let Ok(length @ 1..) = socket.read(&mut piece).await {
        came += length;
        if began.elapsed() < Duration::from_secs(2) {
            // Slower than its limit over all, and never as slow at once.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if service.usage.records().len() == 1 && came >= LARGE - (64 << 10) {
            break;
        }
    }
    assert!(began.elapsed() > Duration::from_millis(500));
    assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::Complete);
}

#[tokio::test]
async fn f58_a_first_token_is_not_asked_for_byte_by_byte() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| flags.set("REQUEST_TIMEOUT", "400"));
    let body = r#"{"device_id":"device-0001"}"#;
    let mut wire = Wire::connect(&service.url).await;
    wire.send(format!("{BOOTSTRAP}content-length: {}\r\n\r\n", body.len())).await;
    let began = Instant::now();
    let drip = async move {
        for byte in body.as_bytes() {
            // Each byte well within the time that a piece of a body has; all of them take much longer.
            tokio::time::sleep(Duration::from_millis(100)).await;
            if wire.try_send([*byte]).await.is_err() {
                break;
            }
        }
        wire
    };
    let came = String::from_utf8_lossy(&drip.await.rest().await.0).into_owned();
    assert!(came.starts_with("HTTP/1.1 400 ") && came.contains("body_timeout"), "{came}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn f58_a_flood_of_idle_and_half_open_requests_holds_nobody_up_and_ends_by_itself() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("REQUEST_TIMEOUT", "1500"));
    let token = service.token().await;
    let mut flood = Vec::new();
    for number in 0..150 {
        let mut wire = Wire::connect(&service.url).await;
        match number % 3 {
            0 => {}
            1 => wire.send("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await,
            _ => wire.send(format!("{BOOTSTRAP}content-length: 100\r\n\r\n{{")).await,
        }
        flood.push(wire);
    }
    for _ in 0..20 {
        let asked = Instant::now();
        assert_eq!(service.messages(&token, BODY).await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    for wire in flood {
        let (came, _) = wire.rest().await;
        assert!(!came.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&came));
    }
    assert_eq!(get(&service.at("/healthz"), &[]).await.status, 200);
}

/// More than sockets take in.
const LARGE: usize = 24 << 20;
const BOOTSTRAP: &str = "POST /bootstrap HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
