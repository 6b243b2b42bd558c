//! Tests of the server over plain HTTP/1.1, with a client that sees every byte.

mod control;
mod http2;
mod objects;
mod reply;

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use flate2::read::{GzDecoder, MultiGzDecoder};
use serde_json::{Value, json};

use super::{Answer, Cut, Gate, Options, Upstream};
use crate::http::wire::End;
use reply::{ask, connect, messages};

#[tokio::test]
async fn a_server_without_a_script_repeats_the_words_of_the_user() {
    let upstream = Upstream::start();
    let mut peer = connect(&upstream).await;
    let blocks = json!([{ "type": "text", "text": "first" }, { "type": "text", "text": "a \"quote\"" }]);
    let request = json!({ "model": "claude-opus-5-5", "messages": [{ "role": "user", "content": blocks }] });
    let reply = ask(&mut peer, &messages(&request.to_string())).await;
    let message: Value = serde_json::from_slice(&reply.body()).expect("JSON");
    assert_eq!(message["model"], "claude-opus-5-5");
    let expected = "I am valetkey's stand-in, not Claude. You said: a \"quote\"";
    assert_eq!(message["content"][0]["text"], expected);
    assert!(reply.head.contains("\r\nrequest-id: req_stand_in_1\r\n"), "{}", reply.head);

    let streamed = ask(&mut peer, &messages(r#"{"model":"claude-opus-5-5","stream":true,"messages":[]}"#)).await;
    assert!(String::from_utf8(streamed.chunks[0].clone()).expect("text").starts_with("event: message_start\ndata: {"));
    assert_eq!(upstream.connections(), 1, "the connection is kept");
    let first = &upstream.requests()[0];
    assert_eq!((first.target.as_str(), first.header("HOST"), first.complete), ("/v1/messages", Some("stand-in"), true));
    assert_eq!(first.body, request.to_string().into_bytes());
}

#[tokio::test]
async fn a_bad_request_gets_the_error_envelope_of_the_api() {
    let upstream = Upstream::start_with(Options { key: Some("sk-right".into()), ..Options::default() });
    let cases = [
        ("", "{}", 401, "authentication_error"),
        ("x-api-key: sk-wrong\r\n", "{}", 401, "authentication_error"),
        ("x-api-key: sk-right\r\nx-api-key: sk-right\r\n", "{}", 401, "authentication_error"),
        ("x-api-key: sk-right\r\n", "{}", 400, "invalid_request_error"),
        ("x-api-key: sk-right\r\n", "{", 400, "invalid_request_error"),
        ("x-api-key: sk-right\r\n", r#"{"model":"gpt-4","messages":[]}"#, 400, "invalid_request_error"),
        ("x-api-key: sk-right\r\ntransfer-encoding: chunked\r\n", "{}", 400, "invalid_request_error"),
    ];
    for (headers, body, status, kind) in cases {
        let request = messages(body).replacen("host:", &format!("{headers}host:"), 1);
        let reply = ask(&mut connect(&upstream).await, &request).await;
        let error: Value = serde_json::from_slice(&reply.body()).expect("JSON");
        assert_eq!((reply.status(), error["error"]["type"].as_str()), (status, Some(kind)), "{headers}{body}");
        assert!(reply.head.contains(&format!("request-id: {}\r\n", error["request_id"].as_str().expect("an id"))));
    }
}

#[tokio::test]
async fn each_piece_is_a_chunk_and_the_bytes_stay_the_same() {
    let upstream = Upstream::start();
    let answer = Answer::message_stream("one two three");
    let mut peer = connect(&upstream).await;
    upstream.answer_next(answer.clone());
    let by_event = ask(&mut peer, &messages("{}")).await;
    assert_eq!(by_event.chunks.len(), 9);
    assert!(by_event.chunks.iter().all(|event| event.starts_with(b"event: ") && event.ends_with(b"\n\n")));

    for (modified, chunks) in [
        (answer.clone().byte_by_byte(), by_event.body().len()),
        (answer.clone().in_pieces(100), by_event.body().len().div_ceil(100)),
        (answer.clone().in_one_write(), 9),
        (answer.spaced(Duration::from_millis(1)), 9),
    ] {
        upstream.answer_next(modified);
        let reply = ask(&mut peer, &messages("{}")).await;
        assert_eq!((reply.chunks.len(), reply.body()), (chunks, by_event.body()));
    }
}

#[tokio::test]
async fn a_cut_ends_the_connection_inside_the_body() {
    let upstream = Upstream::start();
    let answer = Answer::stream(vec!["event: a\n\n".into(), "event: b\n\n".into()]);
    for (cut, expected) in [(Cut::Fin, End::Closed), (Cut::Reset, End::Reset(ErrorKind::ConnectionReset))] {
        let gate = Gate::new();
        upstream.answer_next(answer.clone().hold_after(1, gate.clone()).cut_after(1, cut));
        let mut peer = connect(&upstream).await;
        peer.send(messages("{}")).await;
        let (_, first) = (peer.head().await, peer.chunk().await.expect("a chunk"));
        assert_eq!(first, b"event: a\n\n");
        gate.open();
        assert_eq!(peer.rest().await, (Vec::new(), expected));
    }
    upstream.wait_for_open_streams(0).await;
}

#[tokio::test]
async fn a_peer_that_leaves_is_noticed_at_once() {
    let upstream = Upstream::start();
    let (never, stream) = (Gate::new(), Answer::message_stream("some text"));
    for (answer, begins) in [
        (stream.clone().hold_before_head(never.clone()), false),
        (stream.clone().hold_after(0, never.clone()), true),
        (stream.clone().hold_after(4, never), true),
        (stream.spaced(Duration::from_secs(30)), true),
    ] {
        upstream.answer_next(answer);
        let mut peer = connect(&upstream).await;
        peer.send(messages("{}")).await;
        if begins {
            peer.head().await;
        }
        upstream.wait_for_open_streams(1).await;
        let left = Instant::now();
        drop(peer);
        let noticed = upstream.wait_for_abandoned().await;
        assert!(noticed.duration_since(left) < Duration::from_millis(250));
        upstream.wait_for_open_streams(0).await;
    }
}

#[tokio::test]
async fn a_gzip_answer_is_one_stream_flushed_at_each_event() {
    let upstream = Upstream::start();
    upstream.answer_next(Answer::message_stream("one two"));
    upstream.answer_next(Answer::message_stream("one two").gzip());
    let mut peer = connect(&upstream).await;
    let (plain, packed) = (ask(&mut peer, &messages("{}")).await, ask(&mut peer, &messages("{}")).await);
    assert!(packed.head.contains("\r\ncontent-encoding: gzip\r\n"));
    assert_eq!(packed.chunks.len(), plain.chunks.len());
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(&packed.body()[..]).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body());

    let mut first = vec![0; plain.chunks[0].len()];
    GzDecoder::new(&packed.chunks[0][..]).read_exact(&mut first).expect("the first event is flushed");
    assert_eq!(first, plain.chunks[0]);
}

#[tokio::test]
async fn a_chunked_body_is_read_and_an_unfinished_body_stays_incomplete() {
    let upstream = Upstream::start();
    upstream.answer_always(Answer::raw(b"HTTP/1.1 299 Odd\r\ncontent-length: 0\r\n\r\n".to_vec()).keep_open());
    let mut peer = connect(&upstream).await;
    let chunked = "host: a\r\nTransfer-Encoding: chunked\r\nexpect: 100-continue\r\n\r\n";
    peer.send(format!("POST /v1/messages?beta=true HTTP/1.1\r\n{chunked}")).await;
    assert_eq!(peer.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\ntrailer: x\r\n\r\n").await;
    assert!(peer.head().await.starts_with("HTTP/1.1 299 Odd"));

    peer.send("POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\npart").await;
    upstream.wait_until("the part", |requests| requests.last().is_some_and(|last| last.body == b"part")).await;
    assert!(!upstream.requests()[1].has_ended());
    drop(peer);
    upstream.wait_for_requests(2).await;
    let bodies: Vec<_> = upstream.requests().into_iter().map(|received| (received.body, received.complete)).collect();
    assert_eq!(bodies, [(b"abc0123456789".to_vec(), true), (b"part".to_vec(), false)]);
    assert_eq!(upstream.requests()[0].headers[1], ("Transfer-Encoding".into(), "chunked".into()));
}

#[tokio::test]
async fn an_answer_can_come_before_the_body_of_the_request() {
    let upstream = Upstream::start();
    upstream.answer_next(Answer::html(413).before_body());
    let mut peer = connect(&upstream).await;
    peer.send("POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n{").await;
    let head = peer.head().await;
    assert!(head.starts_with("HTTP/1.1 413 Payload Too Large\r\n") && head.contains("\r\nconnection: close\r\n"));
    assert!(!upstream.requests()[0].complete);
}

#[tokio::test]
async fn the_models_of_the_benchmark_get_prepared_answers() {
    let upstream = Upstream::start_with(Options { record: false, threads: 2, ..Options::default() });
    let mut peer = connect(&upstream).await;
    let request =
        |model: &str| messages(&format!(r#"{{"max_tokens": 9, "model": "stand-in-{model}", "messages": []}}"#));
    let small = ask(&mut peer, &request("small")).await;
    let message: Value = serde_json::from_slice(&small.body()).expect("JSON");
    assert_eq!(message["model"], "stand-in-small");
    for model in ["burst", "spaced"] {
        let stream = ask(&mut peer, &request(model)).await;
        assert_eq!(stream.chunks.len(), 55);
        assert!((8_500..9_500).contains(&stream.body().len()), "{}", stream.body().len());
        assert!(stream.chunks[54].starts_with(b"event: message_stop\n"));
    }
    assert!((550..650).contains(&small.body().len()), "{}", small.body().len());
    assert!(small.head.contains("request-id: req_stand_in_000000000001\r\n"));
    assert!(upstream.requests().is_empty());
}
