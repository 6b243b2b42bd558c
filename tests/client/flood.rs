//! Programs that use up what the loopback proxy has: time, memory and places. None of them has the launch key.

use std::time::Duration;

use crate::admission::Door;
use testkit::http::raw::Raw;
use testkit::http::wire::Wire;

/// Lets time pass for the timers of this test, and none in which bytes could arrive.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Answers another request, so that what was sent before has been read.
async fn until_read(door: &Door) {
    assert_eq!(door.client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f58_a_head_that_comes_byte_by_byte_is_given_up_a_minute_after_it_began() {
    let door = Door::new().await;
    let mut raw = Raw::connect(&door.client.url()).await;
    raw.send("POST /v1/messages HTTP/1.1\r\nx-slow: ").await;
    for _ in 0..4 {
        raw.send("x").await;
        until_read(&door).await;
        pass(Duration::from_secs(16)).await;
    }
    let answer = raw.read_to_end().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn f58_a_connection_that_says_nothing_is_closed_after_a_minute_before_and_after_an_answer() {
    let door = Door::new().await;
    let mut silent = Raw::connect(&door.client.url()).await;
    let mut idle = Raw::connect(&door.client.url()).await;
    idle.send(format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", door.client.client.address)).await;
    idle.read_until("\r\n\r\n").await;
    until_read(&door).await;
    pass(Duration::from_secs(61)).await;
    for raw in [&mut silent, &mut idle] {
        let answer = raw.read_to_end().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}

#[tokio::test]
async fn f58_a_body_that_stops_is_given_up_after_a_minute_and_does_not_reach_the_service() {
    let door = Door::new().await;
    let mut raw = Raw::connect(&door.client.url()).await;
    let (host, bearer) = (door.client.client.address, door.client.bearer());
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nauthorization: {bearer}\r\ncontent-length: 99");
    raw.send(format!("{head}\r\n\r\n{{\"mod")).await;
    until_read(&door).await;
    pass(Duration::from_secs(61)).await;
    raw.read_until("HTTP/1.1 4").await;
    assert_eq!(door.reached_service(), 1);
}

/// What one head may hold in memory.
const HEAD_BUFFER: usize = 96 << 10;

#[tokio::test]
async fn f110_a_head_without_an_end_is_refused_when_its_buffer_is_full() {
    let door = Door::new().await;
    let begin = "POST /v1/messages HTTP/1.1\r\nx-long: ";
    let mut bombs = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::connect(&door.client.url()).await;
        // Not a byte more is needed for the refusal, so not a byte more is held.
        wire.send(format!("{begin}{}", "x".repeat(HEAD_BUFFER - begin.len()))).await;
        bombs.push(wire);
    }
    assert_eq!(door.client.messages("hello").await.status, 200);
    for wire in &mut bombs {
        assert!(wire.head().await.starts_with("HTTP/1.1 431 "));
    }
    assert_eq!(door.reached_service(), 1);
}

#[tokio::test]
async fn f110_a_head_of_endless_fields_is_refused_after_a_hundred() {
    let door = Door::new().await;
    let mut raw = Raw::connect(&door.client.url()).await;
    raw.send(format!("POST /v1/messages HTTP/1.1\r\n{}", "x: y\r\n".repeat(110))).await;
    raw.read_until("HTTP/1.1 431 ").await;
    assert_eq!(door.reached_service(), 0);
}

#[tokio::test]
async fn f110_endless_chunk_extensions_and_trailers_are_refused() {
    let door = Door::new().await;
    let (host, bearer) = (door.client.client.address, door.client.bearer());
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nauthorization: {bearer}\r\n");
    for body in ["2;x=", "2\r\n{}\r\n0\r\nx: "] {
        let mut raw = Raw::connect(&door.client.url()).await;
        raw.send(format!("{head}transfer-encoding: chunked\r\n\r\n{body}{}", "x".repeat(20 << 10))).await;
        raw.read_until("HTTP/1.1 400 ").await;
    }
    assert_eq!(door.reached_service(), 0);
}
