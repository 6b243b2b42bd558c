//! The table of usage shapes, `tests/fixtures/usage_shapes.json`: what the API says an answer used, and its bill.
//!
//! Each shape is metered as a stream whose events have their names, none, or the one that stands for none, and as a JSON
//! object; whole and byte by byte; plain and in each encoding that the meter decodes. The bills were worked out by hand from
//! Anthropic's price list, in millionths of a dollar, and not by this code.

use std::time::{Duration, SystemTime};

use compression_codecs::brotli::params::EncoderParams;
use compression_codecs::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use flate2::Compression;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use valetkey::service::meter::prices::Prices;
use valetkey::service::meter::usage::{BatchItem, CostCertainty, ResponseMeter, UsageOwner, UsageRecord};
use valetkey::wire::DeviceId;

use crate::usage_encoded::compressed;

#[derive(Deserialize)]
struct Shape {
    name: String,
    /// The model that was asked, where entries leave it out.
    asked: Option<String>,
    /// The model of the answer.
    model: String,
    #[serde(default)]
    stop: Option<Stop>,
    /// The usage of the answer, and of the last event of its stream. Without it the shape is one of streams only.
    usage: Option<Value>,
    /// What the first event of a stream says, if not the model and one token of output.
    start: Option<Value>,
    /// The usages of several `message_delta` events.
    deltas: Option<Vec<Value>>,
    /// Whether a block of the stream says, after some text, that the model of the answer takes over.
    #[serde(default)]
    is_announced: bool,
    /// Input, output, cache writes for five minutes, for an hour, cache reads.
    tokens: [u64; 5],
    cost: u64,
    certainty: CostCertainty,
}

#[derive(Deserialize)]
struct Stop {
    reason: String,
    details: Option<Value>,
}

impl Shape {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../fixtures/usage_shapes.json")).unwrap()
    }

    fn stop(&self) -> Value {
        let reason = self.stop.as_ref().map_or("end_turn", |stop| &stop.reason);
        json!({ "stop_reason": reason, "stop_details": self.stop.as_ref().and_then(|stop| stop.details.clone()) })
    }

    fn object(&self) -> Option<String> {
        let usage = self.usage.as_ref()?;
        let mut message =
            json!({ "model": self.model, "content": [{ "type": "text", "text": "usage" }], "usage": usage });
        message.as_object_mut().unwrap().extend(self.stop().as_object().unwrap().clone());
        Some(message.to_string())
    }

    /// The stream whose events have the lines that `name` gives for their types.
    fn stream(&self, name: fn(&str) -> String) -> String {
        let usual = || {
            let mut usage = self.usage.clone().unwrap_or_default();
            usage["output_tokens"] = json!(1);
            usage.as_object_mut().unwrap().remove("iterations");
            json!({ "model": self.model, "usage": usage })
        };
        let mut start = self.start.clone().unwrap_or_else(usual);
        start["stop_reason"] = Value::Null;
        let mut events = vec![json!({ "type": "message_start", "message": start }), json!({ "type": "ping" })];
        if self.tokens[1] > 0 {
            let delta = json!({ "type": "text_delta", "text": "hello" });
            events.push(json!({ "type": "content_block_delta", "index": 0, "delta": delta }));
        }
        if self.is_announced {
            let block = json!({ "type": "fallback", "to": { "model": self.model } });
            events.push(json!({ "type": "content_block_start", "index": 1, "content_block": block }));
        }
        let usages = self.deltas.clone().unwrap_or_else(|| vec![self.usage.clone().unwrap()]);
        for (at, usage) in usages.iter().enumerate() {
            let is_last = at + 1 == usages.len();
            let delta = if is_last { self.stop() } else { json!({ "stop_reason": null }) };
            events.push(json!({ "type": "message_delta", "delta": delta, "usage": usage }));
        }
        events.push(json!({ "type": "message_stop" }));
        let line = |event: &Value| name(event["type"].as_str().unwrap());
        events.iter().map(|event| format!("{}data: {event}\n\n", line(event))).collect()
    }
}

/// What the meter reads from an answer in pieces of `size`, with its bill.
fn metered(asked: Option<&str>, kind: &'static str, encoding: &'static str, body: &[u8], size: usize) -> UsageRecord {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    let mut meter = ResponseMeter::new(&headers, true);
    body.chunks(size).for_each(|piece| meter.data(piece));
    let device = DeviceId::try_from("device-of-a-shape".to_owned()).unwrap();
    let mut record = UsageRecord::new("req".into(), UsageOwner { device, org: None, user: None }, "POST /v1/messages");
    record.model_asked = asked.map(Into::into);
    meter.report(&mut record, true);
    record.price(&Prices::shipped(), late_in_november());
    record
}

fn late_in_november() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_910_400)
}

/// Whether a record has the tokens and the bill of the shape.
fn assert_billed(shape: &Shape, record: &UsageRecord, how: &str) {
    let tokens = &record.tokens;
    let [input, output, five_minutes, hour, read] = shape.tokens;
    let found = [
        tokens.input_tokens,
        tokens.output_tokens,
        tokens.cache_write_5m_tokens,
        tokens.cache_write_1h_tokens,
        tokens.cache_read_tokens,
    ];
    assert_eq!(found, [input, output, five_minutes, hour, read], "{}: {how}", shape.name);
    assert_eq!(record.cost.map(|cost| cost.get()), Some(shape.cost), "{}: {how}", shape.name);
    assert_eq!(record.cost_certainty, shape.certainty, "{}: {how}", shape.name);
    assert!(!record.no_usage && !record.output_estimated, "{}: {how}", shape.name);
    assert_eq!(record.model_answered.as_deref(), Some(shape.model.as_str()), "{}: {how}", shape.name);
}

fn encodings(plain: &[u8]) -> [(&'static str, Vec<u8>); 8] {
    [
        ("identity", plain.to_vec()),
        ("Identity", plain.to_vec()),
        ("gzip, identity", compressed(GzipEncoder::new(Compression::default().into()), plain)),
        ("deflate", compressed(DeflateEncoder::new(Compression::default().into()), plain)),
        ("gzip", compressed(GzipEncoder::new(Compression::default().into()), plain)),
        ("deflate", compressed(ZlibEncoder::new(Compression::default().into()), plain)),
        ("br", compressed(BrotliEncoder::new(EncoderParams::default()), plain)),
        ("zstd", compressed(ZstdEncoder::new(3), plain)),
    ]
}

fn check(shape: &Shape, kind: &'static str, body: &str, how: &str) {
    for (encoding, bytes) in encodings(body.as_bytes()) {
        for size in [bytes.len(), 1] {
            let record = metered(shape.asked.as_deref(), kind, encoding, &bytes, size);
            assert_billed(shape, &record, &format!("{how}, {encoding}, pieces of {size}"));
        }
    }
}

#[test]
fn a44_every_shape_of_usage_has_its_bill_in_a_json_answer() {
    let shapes = Shape::all();
    assert!(shapes.len() >= 60, "{}", shapes.len());
    for shape in shapes {
        if let Some(body) = shape.object() {
            check(&shape, "application/json", &body, "object");
        }
    }
}

#[test]
fn a44_every_shape_of_usage_has_its_bill_in_a_stream() {
    for shape in Shape::all() {
        let checked = |name: fn(&str) -> String, how| {
            check(&shape, "text/event-stream", &shape.stream(name), how);
        };
        checked(|kind| format!("event: {kind}\n"), "stream");
        checked(|_| String::new(), "stream without names");
        checked(|_| "event: message\n".to_owned(), "stream of events named message");
    }
}

#[test]
fn a44_every_shape_of_usage_is_read_from_the_results_of_a_batch() {
    for shape in Shape::all() {
        let Some(message) = shape.object() else { continue };
        let line = format!(r#"{{"custom_id":"a","result":{{"type":"succeeded","message":{message}}}}}"#);
        let item = BatchItem::read(line.as_bytes()).unwrap();
        let [input, output, ..] = shape.tokens;
        assert_eq!((item.tokens.input_tokens, item.tokens.output_tokens), (input, output), "{}", shape.name);
        assert_eq!(item.model.as_deref(), Some(shape.model.as_str()), "{}", shape.name);
        let used = (&item.tokens, item.shares.as_slice());
        let cost = Prices::shipped().cost_of_all(&shape.model, late_in_november(), used, &item.conditions);
        let is_fast = item.conditions.fast;
        let is_estimated = is_fast || shape.certainty == CostCertainty::Estimated;
        assert_eq!(cost.estimated, is_estimated, "{}", shape.name);
        // Half of each part, rounded up; searches have their whole price, and so has fast mode.
        let searches = item.conditions.web_searches * 10_000;
        let parts = item.shares.len() as u64 + 1;
        let tokens = shape.cost - searches;
        let expected = searches + if is_fast { tokens } else { tokens.div_ceil(2) };
        assert!(cost.amount.get().abs_diff(expected) <= parts, "{}: {} and {expected}", shape.name, cost.amount.get());
    }
}

#[test]
fn a44_a_stream_that_is_cut_after_a_fallback_has_the_price_of_the_model_that_took_over() {
    let start = json!({ "model": "claude-haiku-5-5", "usage": { "input_tokens": 1000, "output_tokens": 1 } });
    let block =
        json!({ "type": "fallback", "from": { "model": "claude-haiku-5-5" }, "to": { "model": "claude-opus-5-5" } });
    let text = json!({ "type": "text_delta", "text": "x".repeat(400) });
    let events = [
        ("message_start", json!({ "type": "message_start", "message": start })),
        ("content_block_start", json!({ "type": "content_block_start", "index": 0, "content_block": block })),
        ("content_block_delta", json!({ "type": "content_block_delta", "index": 1, "delta": text })),
    ];
    for is_named in [true, false] {
        let name = |name: &str| if is_named { format!("event: {name}\n") } else { String::new() };
        let stream: String = events.iter().map(|(event, data)| format!("{}data: {data}\n\n", name(event))).collect();
        for size in [stream.len(), 1] {
            let record = metered(None, "text/event-stream", "identity", stream.as_bytes(), size);
            assert_eq!(record.model_answered.as_deref(), Some("claude-opus-5-5"));
            assert_eq!((record.tokens.input_tokens, record.tokens.output_tokens), (1000, 100));
            // 1000 tokens of input at 4 dollars for a million, 100 of output at 20.
            assert_eq!(record.cost.map(|cost| cost.get()), Some(6000));
            assert_eq!(record.cost_certainty, CostCertainty::Estimated);
        }
    }
}

#[test]
fn a44_a_refusal_after_text_that_no_count_speaks_of_is_not_free() {
    let start = json!({ "model": "claude-fable-5", "usage": { "input_tokens": 412, "output_tokens": 0 } });
    let text = json!({ "type": "text_delta", "text": "x".repeat(400) });
    let delta = json!({ "stop_reason": "refusal" });
    let stream = format!(
        "event: message_start\ndata: {}\n\nevent: content_block_delta\ndata: {}\n\nevent: message_delta\ndata: {}\n\n",
        json!({ "type": "message_start", "message": start }),
        json!({ "type": "content_block_delta", "index": 0, "delta": text }),
        json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 0 } }),
    );
    let record = metered(None, "text/event-stream", "identity", stream.as_bytes(), stream.len());
    assert!(record.cost.is_some_and(|cost| cost.get() >= 4120), "{:?}", record.cost);
    assert_eq!(record.cost_certainty, CostCertainty::Estimated, "no count speaks of the text");
}
