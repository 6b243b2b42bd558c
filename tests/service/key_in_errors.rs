//! A41: an upstream that writes the real key into an error.

use compression_codecs::brotli::params::EncoderParams;
use compression_codecs::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use flate2::Compression;
use serde_json::json;
use valetkey::service::meter::usage::Ended;

use crate::usage_encoded::compressed;
use testkit::http::wire::{Wire, messages};
use testkit::http::{Answer as Received, post};
use testkit::legs::{Leg, assert_same};
use testkit::service::{REAL_KEY, TestService};
use testkit::upstream::{Answer, Cut, Gate, Upstream};

#[tokio::test]
async fn a41_the_key_in_an_error_becomes_asterisks_of_its_length() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        for status in [302, 400, 403, 404, 429, 500, 529] {
            let text = format!("{{\"x-api-key\":\"{REAL_KEY}\",\"again\":\"{REAL_KEY}{REAL_KEY}\"}}");
            let whole = Answer::whole(status, "application/json", text.clone().into_bytes());
            let chunked = Answer::stream(vec![text.clone()]).status(status);
            for answer in [whole.clone(), whole.in_pieces(7), chunked.clone(), chunked.byte_by_byte()] {
                upstream.answer_next(answer);
                let answer = service.messages(&token, BODY).await;
                assert_eq!((answer.status, answer.text()), (status, masked(&text)), "{leg:?}");
            }
        }
    }
}

#[tokio::test]
async fn a41_the_key_is_masked_wherever_two_pieces_cut_it_and_the_length_stays() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let text = format!("a {REAL_KEY} b");
    for cut in 1..text.len() {
        let gate = Gate::new();
        let answer = Answer::whole(400, "text/plain", text.clone().into_bytes()).in_pieces(cut);
        upstream.answer_next(answer.hold_after(1, gate.clone()));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        let (head, first) = (wire.head().await, before_the_key(&text[..cut]));
        assert_eq!(wire.until(first.as_bytes()).await, first.as_bytes(), "what may pass is not held back");
        gate.open();
        assert!(head.contains(&format!("content-length: {}\r\n", text.len())), "{head}");
        wire.until(&masked(&text).as_bytes()[first.len()..]).await;
    }
}

#[tokio::test]
async fn a41_a_stream_with_an_error_status_is_masked_and_its_events_are_not_held_back() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let (first, gate) = ("event: ping\ndata: {}\n\n".to_owned(), Gate::new());
        let events = vec![first.clone(), format!("event: error\ndata: {REAL_KEY}\n\n")];
        upstream.answer_next(Answer::stream(events.clone()).status(500).hold_after(1, gate.clone()));
        let mut answer = service.open(&token, BODY).await;
        assert_eq!(answer.chunk().await.unwrap().unwrap(), first, "{leg:?}");
        gate.open();
        assert_eq!(answer.text().await.unwrap(), masked(&events[1]), "{leg:?}");
    }
}

#[tokio::test]
async fn a41_an_error_that_breaks_off_inside_the_key_ends_before_it() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let text = format!("the key {REAL_KEY}");
    let answer = Answer::stream(vec![text[..text.len() - 1].to_owned(), "…".into()]).status(500);
    upstream.answer_next(answer.cut_after(1, Cut::Fin));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    let (came, _) = wire.rest().await;
    let came = String::from_utf8(came).unwrap();
    assert!(came.contains("the key ") && !came.contains("sk-ant"), "{came}");
}

#[tokio::test]
async fn a41_an_error_without_the_key_and_a_good_answer_with_it_arrive_unchanged() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let almost = format!("{} sk-ant-api03-canary", &REAL_KEY[1..]);
        for text in [almost.as_str(), "sk-ant-api03-canary-real-ke", "s", ""] {
            upstream.answer_next(Answer::whole(400, "text/plain", text.into()));
            let answer = service.messages(&token, BODY).await;
            assert_eq!((answer.status, answer.text().as_str()), (400, text), "{leg:?}");
        }
        upstream.answer_next(Answer::whole(200, "text/plain", REAL_KEY.into()));
        assert_eq!(service.messages(&token, BODY).await.text(), REAL_KEY, "{leg:?}: no time is spent on good answers");
    }
}

#[tokio::test]
async fn a41_the_key_in_an_encoded_error_is_masked_in_the_decoded_one() {
    let text = format!("{{\"message\":\"the key is {REAL_KEY}\"}}");
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        for (encoding, bytes) in encoded(text.as_bytes()) {
            for size in [1, 10, bytes.len()] {
                let answer = Answer::whole(429, "application/json", bytes.clone()).header("content-encoding", encoding);
                upstream.answer_next(answer.header("retry-after", "7").in_pieces(size));
                let answer = service.messages(&token, BODY).await;
                assert_eq!((answer.status, answer.text()), (429, masked(&text)), "{leg:?} {encoding}");
                assert_eq!((answer.header("content-encoding"), answer.header("retry-after")), (None, Some("7")));
                assert_eq!(answer.header("content-length"), Some(text.len().to_string().as_str()), "{encoding}");
            }
        }
        upstream.answer_next(Answer::stream(vec![text.clone()]).status(500).gzip());
        assert_eq!(service.messages(&token, BODY).await.text(), masked(&text), "{leg:?}: chunked");
    }
}

#[tokio::test]
async fn a41_an_encoded_error_without_the_key_arrives_as_the_upstreams_bytes() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let all = encoded(b"{\"message\":\"wait\"}");
        for (encoding, bytes) in &all {
            upstream.answer_next(
                Answer::whole(404, "application/json", bytes.clone()).header("content-encoding", encoding),
            );
            let answer = service.messages(&token, BODY).await;
            assert_eq!((answer.status, answer.header("content-encoding")), (404, Some(*encoding)), "{leg:?}");
            assert_same(&answer.body, bytes, (leg, encoding));
        }
        let records = service.usage.wait_for(all.len()).await;
        assert!(records.iter().all(|record| (record.ended, record.status) == (Ended::Error, Some(404))));
    }
}

#[tokio::test]
async fn a41_the_body_of_an_error_that_cannot_be_decoded_is_replaced_and_the_head_stays() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let gzip = encoded(REAL_KEY.as_bytes()).remove(0).1;
    let cut = gzip[..gzip.len() - 4].to_vec();
    let more = [gzip.clone(), REAL_KEY.into()].concat();
    let cases = [
        (400, "invalid_request_error", ("compress", gzip.clone())),
        (429, "rate_limit_error", ("gzip, gzip", gzip)),
        (500, "api_error", ("gzip", cut)),
        (529, "overloaded_error", ("gzip", more)),
    ];
    for (status, kind, (encoding, bytes)) in cases {
        upstream.answer_next(unreadable(status, encoding, bytes));
        let answer = service.messages(&token, BODY).await;
        assert_unreadable(&answer, status, kind);
    }
    let records = service.usage.wait_for(4).await;
    let statuses: Vec<_> = records.iter().map(|record| record.status).collect();
    assert_eq!(statuses, [Some(400), Some(429), Some(500), Some(529)]);
    assert!(records.iter().all(|record| record.ended == Ended::Error));
}

#[tokio::test]
async fn a41_an_error_about_files_that_cannot_be_decoded_keeps_its_head() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("BATCHES_AND_FILES", "on"));
    let token = service.token().await;
    upstream.answer_next(unreadable(529, "compress", REAL_KEY.into()));
    let answer = post(&service.at("/v1/files"), &[("x-api-key", &token)], "a file").await;
    assert_unreadable(&answer, 529, "overloaded_error");
}

fn unreadable(status: u16, encoding: &'static str, bytes: Vec<u8>) -> Answer {
    let answer = Answer::whole(status, "text/plain", bytes).header("content-encoding", encoding);
    answer.header("retry-after", "7").header("x-should-retry", "true").header("request-id", "req_upstream")
}

fn assert_unreadable(answer: &Received, status: u16, kind: &str) {
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["error"]["type"], &body["request_id"]),
        (status, &json!(kind), &json!("req_upstream"))
    );
    let said = ["retry-after", "x-should-retry", "request-id"].map(|name| answer.header(name));
    assert_eq!(said, [Some("7"), Some("true"), Some("req_upstream")]);
    let described = ["content-type", "content-encoding"].map(|name| answer.header(name));
    assert_eq!(described, [Some("application/json"), None]);
    assert!(answer.text().contains(&format!("The upstream answers {status}")) && !answer.text().contains("canary"));
}

#[tokio::test]
async fn a41_an_answer_without_a_body_keeps_its_headers() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    upstream.answer_next(
        Answer::whole(304, "text/plain", Vec::new()).header("content-encoding", "gzip").header("etag", "\"a\""),
    );
    let response = Wire::ask(&service.url, messages(&token, BODY)).await;
    assert_eq!((response.status(), response.body.len()), (304, 0));
    assert_eq!((response.header("content-encoding"), response.header("etag")), (Some("gzip"), Some("\"a\"")));
}

#[tokio::test]
async fn a41_an_error_about_batches_and_files_is_masked_in_its_head_and_body() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("BATCHES_AND_FILES", "on"));
    let token = service.token().await;
    let text = format!("no {REAL_KEY}");
    for (path, body) in [("/v1/messages/batches", r#"{"requests":[]}"#), ("/v1/files", "a file")] {
        for (encoding, bytes) in encoded(text.as_bytes()).into_iter().chain([("identity", text.clone().into_bytes())]) {
            let answer = Answer::whole(400, "text/plain", bytes).header("content-encoding", encoding);
            upstream.answer_next(answer.header("x-echo", REAL_KEY).header("request-id", REAL_KEY));
            let answer: Received = post(&service.at(path), &[("x-api-key", &token)], body).await;
            assert_eq!((answer.status, answer.text()), (400, masked(&text)), "{path} {encoding}");
            assert!(!format!("{:?}", answer.headers).contains("canary"), "{:?}", answer.headers);
        }
    }
    assert!(!format!("{:?}", service.usage.records()).contains("canary"));
}

/// `text` in each encoding that the API uses, gzip first.
fn encoded(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("gzip", compressed(GzipEncoder::new(Compression::default().into()), text)),
        ("deflate", compressed(DeflateEncoder::new(Compression::default().into()), text)),
        ("deflate", compressed(ZlibEncoder::new(Compression::default().into()), text)),
        ("br", compressed(BrotliEncoder::new(EncoderParams::default()), text)),
        ("zstd", compressed(ZstdEncoder::new(3), text)),
    ]
}

fn masked(text: &str) -> String {
    text.replace(REAL_KEY, &"*".repeat(REAL_KEY.len()))
}

/// What of the first piece of `a KEY b` may pass: all of it, unless it ends inside the key.
fn before_the_key(piece: &str) -> String {
    match piece.strip_prefix("a ") {
        Some(rest) if rest.len() < REAL_KEY.len() => "a ".to_owned(),
        _ => masked(piece),
    }
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
