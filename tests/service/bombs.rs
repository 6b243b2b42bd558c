//! Answers and requests that would blow up in whoever reads them carelessly (A33).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use valetkey::service::meter::usage::{Ended, Tokens};

use crate::usage::metered;
use testkit::http::post;
use testkit::legs::assert_same;
use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn a33_a_compressed_bomb_of_the_upstream_arrives_as_it_is_and_costs_little() {
    // What it blows up to in the meter: 8 GiB, through a window of 4 MiB.
    let bomb = zstd(22, b"", 65_536);
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let began = Instant::now();
    for kind in ["application/json", "text/event-stream"] {
        upstream.answer_next(Answer::whole(200, kind, bomb.clone()).header("content-encoding", "zstd"));
        let answer = service.messages(&token, BODY).await;
        assert_same(&answer.body, &bomb, kind);
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let records = service.usage.wait_for(2).await;
    assert!(records.iter().all(|record| record.ended == Ended::Complete && record.tokens == Tokens::default()));
    assert_eq!(service.messages(&token, BODY).await.status, 200);
}

#[tokio::test]
async fn a33_what_was_said_before_a_bomb_still_counts() {
    let start = concat!(
        "event: message_start\n",
        r#"data: {"message":{"model":"claude-sonnet-5-5","usage":{"input_tokens":25,"output_tokens":3}}}"#,
        "\n\n"
    );
    let bomb = zstd(22, start.as_bytes(), 1024);
    let answer = Answer::whole(200, "text/event-stream", bomb).header("content-encoding", "zstd");
    let record = metered(answer).await;
    assert_eq!((record.tokens.input_tokens, record.ended), (25, Ended::Complete));
    // A window larger than HTTP allows is refused before there is any room for it.
    let refused = zstd(27, start.as_bytes(), 1);
    let answer = Answer::whole(200, "text/event-stream", refused).header("content-encoding", "zstd");
    assert_eq!(metered(answer).await.tokens.input_tokens, 0);
}

#[tokio::test]
async fn a33_depth_in_an_answer_costs_the_number_it_stands_in_and_nothing_else() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    for deep in [&deep, &objects] {
        let whole = format!(r#"{{"model":"m","content":{deep},"usage":{{"input_tokens":3,"output_tokens":5}}}}"#);
        let record = metered(Answer::whole(200, "application/json", whole.into_bytes())).await;
        assert_eq!((record.tokens.input_tokens, record.tokens.output_tokens), (3, 5));
        // In a usage of more than 256 kB nothing is read.
        let is_read = deep.len() < 256 * 1024;
        let inside = format!(r#"{{"model":"m","usage":{{"input_tokens":3,"server_tool_use":{deep}}}}}"#);
        let record = metered(Answer::whole(200, "application/json", inside.into_bytes())).await;
        assert_eq!((record.ended, record.no_usage), (Ended::Complete, !is_read));
        assert_eq!(record.tokens.input_tokens, if is_read { 3 } else { 0 });
        let event =
            format!("event: message_delta\ndata: {{\"usage\":{{\"input_tokens\":7,\"output_tokens\":{deep}}}}}\n\n");
        let record = metered(Answer::stream(vec![event])).await;
        // Longer than the meter reads, the second one is no event for it.
        let is_read = deep.len() < 512 * 1024;
        assert_eq!((record.ended, record.unparsed_events), (Ended::Complete, u32::from(!is_read)));
        assert_eq!(record.tokens.input_tokens, if is_read { 7 } else { 0 });
    }
}

#[tokio::test]
async fn a33_huge_numbers_in_an_answer_are_no_counts_and_break_no_sum() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("TOKENS_PER_MINUTE", "1000000"));
    let token = service.token().await;
    let numbers = ["18446744073709551615", "9223372036854775807", "9223372036854775808", "1e300", "1099511627777"];
    for number in numbers {
        let usage = format!(
            r#"{{"input_tokens":{number},"output_tokens":{number},"cache_read_input_tokens":{number},
                "cache_creation_input_tokens":{number},
                "cache_creation":{{"ephemeral_5m_input_tokens":{number},"ephemeral_1h_input_tokens":{number}}}}}"#
        );
        let body = format!(r#"{{"model":"claude-sonnet-5-5","usage":{usage}}}"#);
        upstream.answer_next(Answer::whole(200, "application/json", body.into_bytes()));
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{number}");
        let line = usage.replace('\n', " ");
        let event = format!("event: message_start\ndata: {{\"message\":{{\"usage\":{line}}}}}\n\n");
        upstream.answer_next(Answer::stream(vec![event]));
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{number}");
    }
    let requests = 2 * numbers.len();
    let records = service.usage.wait_for(requests).await;
    assert!(records.iter().all(|record| record.tokens == Tokens::default()), "{records:?}");
    // The worker lives, the device is not shut out, and sums over all of it can be made.
    upstream.answer_next(Answer::message_stream("hello"));
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    let sums = async || service.admin("GET", "/admin/usage", None).await.json();
    service.until(async || sums().await["total"]["requests"] == requests as u64 + 1).await;
    assert_eq!(sums().await["total"]["input_tokens"], 25);
    assert_eq!(service.admin("GET", "/metrics", None).await.status, 200);
}

#[tokio::test]
async fn a33_the_largest_counts_that_are_believed_can_be_added_up() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let most = 1_u64 << 40;
    let usage = json!({ "input_tokens": most, "output_tokens": most, "cache_read_input_tokens": most,
        "cache_creation": { "ephemeral_5m_input_tokens": most, "ephemeral_1h_input_tokens": most } });
    for _ in 0..3 {
        upstream.answer_next(Answer::json(200, json!({ "model": "claude-sonnet-5-5", "usage": usage })));
        assert_eq!(service.messages(&token, BODY).await.status, 200);
    }
    let sums = async || service.admin("GET", "/admin/usage", None).await.json();
    service.until(async || sums().await["total"]["requests"] == 3).await;
    let total = sums().await["total"].clone();
    assert_eq!((&total["input_tokens"], &total["cache_creation_input_tokens"]), (&json!(3 * most), &json!(6 * most)));
}

#[tokio::test]
async fn a33_a_bomb_for_bootstrap_or_for_administrators_is_refused_at_a_bound() {
    let service = TestService::start("http://127.0.0.1:9");
    let deep = format!("{}{}", "[".repeat(7_000), "]".repeat(7_000));
    for body in [
        deep.clone(),
        format!(r#"{{"device_id":{deep}}}"#),
        format!(r#"{{"device_id":"device-0001","app_version":{deep}}}"#),
        format!(r#"{{"device_id":{}}}"#, "9".repeat(15_000)),
        format!(r#"{{"device_id":"{}"}}"#, r"\u0061".repeat(2_500)),
    ] {
        let answer = post(&service.at("/bootstrap"), &[], body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"));
        assert!(answer.body.len() < 1000, "{}", answer.text());
    }
    let deep: Value = serde_json::from_str(&format!("{}{}", "[".repeat(100), "]".repeat(100))).unwrap();
    let changed = service.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "budget": deep }))).await;
    assert_eq!(changed.status, 400, "it is no budget");
    let large = json!({ "reason": "x".repeat(100_000), "device_id": "device-0001" });
    assert_eq!(service.admin("POST", "/admin/revocations", Some(large)).await.status, 413);
}

/// A frame (RFC 8878) with a window of so many bits: this text, and then so many blocks of 128 KiB that each repeat one byte.
fn zstd(window: u8, text: &[u8], blocks: u32) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (window - 10) << 3];
    let raw = (text.len() as u32) << 3;
    frame.extend_from_slice(&raw.to_le_bytes()[..3]);
    frame.extend_from_slice(text);
    for number in 1..=blocks {
        let repeated = (128_u32 << 10 << 3) | (1 << 1) | u32::from(number == blocks);
        frame.extend_from_slice(&repeated.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
