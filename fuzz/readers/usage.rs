//! The usage in an answer of the upstream: in an event stream, in a JSON object, in the results of a batch.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::node::{Named, Node};
use super::pieces::same_in_pieces;
use crate::service::meter::usage::{BatchItem, Lines, ResponseMeter, UsageOwner, UsageRecord};
use crate::wire::DeviceId;

/// Meters the bytes as each kind of answer; true if one of them states usage.
#[must_use]
pub fn read(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    [event_stream(bytes), object(bytes), batch_results(bytes)].contains(&true)
}

/// The usage of a stream is the same however its bytes are cut and whichever line ends it has. Counts cannot overflow, and
/// no bytes keep the meter from reading the stream that comes behind them.
fn event_stream(bytes: &[u8]) -> bool {
    let seen = same_in_pieces(bytes, |pieces| told(EVENTS, pieces));
    if !bytes.contains(&b'\r') {
        for end in ["\r\n", "\r"] {
            let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
            assert_eq!(told(EVENTS, &[&lines.join(end.as_bytes())]), seen, "lines end with {end:?}");
        }
    }
    let record = metered(EVENTS, &[bytes]);
    // Each entry of `iterations` has counts of its own, and an input has fewer bytes than this.
    let most = MOST_TOKENS.saturating_mul(LONGEST as u64);
    assert!(record.tokens.by_price().iter().all(|count| *count <= most), "{record:?}");
    let record_behind = metered(EVENTS, &[bytes, b"\n\n", STREAM]);
    assert_eq!(record_behind.model_answered.as_deref(), Some("claude-x"));
    assert!(!record_behind.output_estimated && !record_behind.no_usage, "{record_behind:?}");
    // Other models' work in the stream before would be added.
    if record_behind.shares.is_empty() {
        let tokens = record_behind.tokens;
        assert_eq!((tokens.input_tokens, tokens.output_tokens, tokens.cache_read_tokens), (25, 40, 7));
    }
    !record.no_usage
}

/// The usage of an object is the same however its bytes are cut, and is what a parser finds.
fn object(bytes: &[u8]) -> bool {
    same_in_pieces(bytes, |pieces| told(OBJECT, pieces));
    let record = metered(OBJECT, &[bytes]);
    let Some(Node::Object(members)) = Node::parse(bytes) else { return false };
    let model = match Named::of(&members, "model") {
        Named::Once(Node::Text(model)) => Some(model),
        _ => None,
    };
    let usage = Named::of(&members, "usage");
    let has_entries = |usage: &[(String, Node)]| usage.iter().any(|(key, _)| key == "iterations");
    // An entry may name the model that answered.
    if !matches!(&usage, Named::Once(Node::Object(usage)) if has_entries(usage)) {
        assert_eq!(record.model_answered, model);
    }
    let Named::Once(Node::Object(usage)) = usage else { return false };
    // Entries may say more than the top level.
    if record.no_usage || has_entries(&usage) {
        return false;
    }
    assert_eq!(record.tokens.input_tokens, count(&usage, "input_tokens"));
    assert_eq!(record.tokens.output_tokens, count(&usage, "output_tokens"));
    true
}

/// A value that is not a count, or is not believed, counts as zero.
fn count(usage: &[(String, Node)], key: &str) -> u64 {
    match Named::of(usage, key) {
        Named::Once(Node::Plain(number)) => {
            number.parse::<u64>().ok().filter(|count| *count <= MOST_TOKENS).unwrap_or_default()
        }
        _ => 0,
    }
}

/// The lines of results are the same however the bytes are cut, and each result is about the request that its line names.
fn batch_results(bytes: &[u8]) -> bool {
    let lines = same_in_pieces(bytes, lines);
    let mut plain: Vec<_> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if plain.last().is_some_and(Vec::is_empty) {
        plain.pop();
    }
    assert_eq!(lines, plain);
    let mut is_result = false;
    for line in &lines {
        let Some(item) = BatchItem::read(line) else { continue };
        if let Some(Node::Object(members)) = Node::parse(line) {
            assert_eq!(Named::of(&members, "custom_id"), Named::Once(Node::Text(item.custom_id)));
        }
        is_result = true;
    }
    is_result
}

fn lines(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut lines, mut seen) = (Lines::default(), Vec::new());
    for piece in pieces {
        lines.feed(piece, |line| seen.push(line.to_vec()));
    }
    let lost = lines.finish(|line| seen.push(line.to_vec()));
    assert_eq!(lost, 0, "no line of a short input is too long");
    seen
}

fn told(media_type: &'static str, pieces: &[&[u8]]) -> String {
    format!("{:?}", metered(media_type, pieces))
}

fn metered(media_type: &'static str, pieces: &[&[u8]]) -> UsageRecord {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    let mut meter = ResponseMeter::new(&headers, true);
    for piece in pieces {
        meter.data(piece);
    }
    let device = DeviceId::parse("device-0001").expect("eleven characters of the charset");
    let mut record = UsageRecord::new(String::new(), UsageOwner { device, org: None, user: None }, "fuzz");
    meter.report(&mut record, true);
    record
}

const EVENTS: &str = "text/event-stream";
const OBJECT: &str = "application/json";

/// The largest count that is believed.
const MOST_TOKENS: u64 = 1 << 40;

const STREAM: &[u8] = br#"event: message_start
data: {"type":"message_start","message":{"model":"claude-x","usage":{"input_tokens":25,"output_tokens":1,"cache_read_input_tokens":7}}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":40}}

"#;

/// As long as the fuzzer's inputs are by itself; each is read about fifty times.
const LONGEST: usize = 4096;
