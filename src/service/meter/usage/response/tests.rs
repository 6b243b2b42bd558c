use std::time::SystemTime;

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::*;
use crate::service::meter::prices::Prices;
use crate::service::meter::usage::UsageOwner;
use crate::wire::DeviceId;

fn meter(media_type: &'static str) -> ResponseMeter {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    ResponseMeter::new(&headers, true)
}

fn message(id: &str, tokens: Option<u64>) -> Reference {
    Reference { kind: ReferenceKind::Message, id: id.into(), tokens }
}

fn container(id: &str) -> Reference {
    Reference { kind: ReferenceKind::Container, id: id.into(), tokens: None }
}

const START: &str = concat!(
    r#"data: {"type":"message_start","message":{"id":"msg_1","model":"m","container":null,"#,
    r#""usage":{"input_tokens":25,"cache_read_input_tokens":900000,"output_tokens":1}}}"#,
    "\n\n"
);

const DELTA: &str = concat!(
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn","container":{"id":"container_1","expires_at":"x"}},"#,
    r#""usage":{"output_tokens":40}}"#,
    "\n\n"
);

#[test]
fn a51_the_id_of_a_stream_is_known_with_its_first_event_and_its_length_with_its_last() {
    let mut meter = meter("text/event-stream").with_message_id();
    assert_eq!((meter.references_told(), meter.references()), (0, vec![]));
    meter.data(START.as_bytes());
    let begun = meter.references_told();
    assert!(begun > 0);
    assert_eq!(meter.references(), [message("msg_1", None)]);
    meter.data(b"data: {\"type\":\"ping\"}\n\n");
    assert_eq!(meter.references_told(), begun, "nothing new");
    meter.data(DELTA.as_bytes());
    assert!(meter.references_told() > begun);
    assert_eq!(meter.references(), [message("msg_1", Some(900_065)), container("container_1")]);
}

#[test]
fn a52_a_container_is_known_from_every_answer_and_a_message_only_where_it_is_asked_for() {
    let mut stream = meter("text/event-stream");
    stream.data(START.as_bytes());
    assert_eq!((stream.references_told(), stream.references()), (0, vec![]));
    stream.data(DELTA.as_bytes());
    assert_eq!((stream.references_told(), stream.references()), (1, vec![container("container_1")]));
    let answer = r#"{"id":"msg_1","container":{"id":"container_1"},"usage":{"input_tokens":25,"output_tokens":40}}"#;
    for piece in [1, 9, answer.len()] {
        let (mut plain, mut asked) = (meter("application/json"), meter("application/json").with_message_id());
        for bytes in answer.as_bytes().chunks(piece) {
            assert_eq!((plain.references_told(), asked.references_told()), (0, 0), "before the last byte");
            plain.data(bytes);
            asked.data(bytes);
        }
        assert_eq!((plain.references_told(), plain.references()), (1, vec![container("container_1")]));
        assert_eq!(asked.references(), [message("msg_1", Some(65)), container("container_1")]);
    }
}

fn file(id: &str) -> Reference {
    Reference { kind: ReferenceKind::File, id: id.into(), tokens: None }
}

const MAKING: &str = concat!(
    r#"{"type":"bash_code_execution_tool_result","tool_use_id":"a","content":{"type":"bash_code_execution_result","#,
    r#""content":[{"type":"bash_code_execution_output","file_id":"file_1"}]}}"#,
);

#[test]
fn f82_a_file_is_known_with_its_block_of_a_stream_and_with_the_end_of_any_other_answer() {
    let start = |index: u32, block: &str| {
        format!("data: {{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{block}}}\n\n")
    };
    let mut stream = meter("text/event-stream");
    stream.data(START.as_bytes());
    stream.data(start(0, r#"{"type":"text","text":"\"file_id\":\"file_0\""}"#).as_bytes());
    assert_eq!((stream.references_told(), stream.references()), (0, vec![]));
    for told in [1, 1] {
        stream.data(start(1, MAKING).as_bytes());
        assert_eq!((stream.references_told(), stream.references()), (told, vec![file("file_1")]));
    }
    let answer = format!(r#"{{"id":"msg_1","content":[{{"type":"text","text":"x"}},{MAKING}],"usage":{{}}}}"#);
    for piece in [1, 9, answer.len()] {
        let (mut plain, mut asked) = (meter("application/json"), meter("application/json").with_files());
        for bytes in answer.as_bytes().chunks(piece) {
            assert_eq!(asked.references_told(), 0, "before the last byte");
            plain.data(bytes);
            asked.data(bytes);
        }
        assert_eq!((asked.references_told(), asked.references()), (1, vec![file("file_1")]));
        assert!(plain.references().is_empty(), "of a request that runs no code no block is read");
    }
    stream.data(start(2, &MAKING.replace("file_1", "file_2")).as_bytes());
    assert_eq!(stream.references(), [file("file_1"), file("file_2")]);
    assert_eq!((stream.references_after(1), stream.references_after(2)), (vec![file("file_2")], vec![]));
}

#[test]
fn f82_a_file_of_an_answer_that_is_cut_is_known() {
    let mut asked = meter("application/json").with_files();
    asked.data(format!(r#"{{"content":[{MAKING},{{"type":"te"#).as_bytes());
    assert_eq!(asked.references(), [file("file_1")]);
}

#[test]
fn f64_the_length_of_a_conversation_is_that_of_its_longest_round() {
    let usage = r#"{"input_tokens":10,"output_tokens":1,"iterations":[
        {"type":"message","input_tokens":5,"output_tokens":4,"cache_read_input_tokens":300000,"cache_creation_input_tokens":20},
        {"type":"advisor_message","model":"m","input_tokens":700000,"output_tokens":9},{"type":"compaction","input_tokens":600000}]}"#
        .replace('\n', "");
    let delta = format!(
        "data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},\"usage\":{usage}}}\n\n"
    );
    let start = START.replace("900000", "0");
    let object = format!(r#"{{"id":"msg_1","usage":{usage}}}"#);
    for (media_type, body) in [("text/event-stream", start + &delta), ("application/json", object)] {
        let mut meter = meter(media_type).with_message_id();
        meter.data(body.as_bytes());
        assert_eq!(meter.references(), [message("msg_1", Some(300_029))], "{media_type}");
    }
}

/// How sure the cost of a whole or a cut answer is.
fn certainty(media_type: &'static str, body: &str, is_complete: bool) -> CostCertainty {
    let mut meter = meter(media_type);
    meter.data(body.as_bytes());
    let owner = UsageOwner { device: DeviceId::parse("device-0001").unwrap(), org: None, user: None };
    let mut record = UsageRecord::new("req_1".into(), owner, "POST /v1/messages");
    record.model_asked = Some("claude-opus-5".into());
    meter.report(&mut record, is_complete);
    record.price(&Prices::shipped(), SystemTime::UNIX_EPOCH);
    record.cost_certainty
}

#[test]
fn the_cost_of_a_stream_is_exact_once_it_has_said_all() {
    let start = |model: &str| {
        format!(
            "data: {{\"type\":\"message_start\",\"message\":{{{model}\"usage\":{{\"input_tokens\":25,\"output_tokens\":1}}}}}}\n\n"
        )
    };
    let named = start(r#""model":"claude-opus-5","#);
    let delta = |delta: &str, usage: &str| {
        format!("data: {{\"type\":\"message_delta\",\"delta\":{delta},\"usage\":{usage}}}\n\n")
    };
    let text = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"12345678901234567890\"}}\n\n";
    let (going_on, ended) = (r#"{"stop_reason":null}"#, r#"{"stop_reason":"end_turn"}"#);
    let (refused, refused_for_bio) =
        (r#"{"stop_reason":"refusal"}"#, r#"{"stop_reason":"refusal","stop_details":{"category":"bio"}}"#);
    let in_container = r#"{"stop_reason":"end_turn","container":{"id":"container_1"}}"#;
    let count = r#"{"output_tokens":40}"#;
    let stream = "text/event-stream";
    for (body, expected) in [
        (format!("{named}{text}{}", delta(ended, count)), CostCertainty::Exact),
        (format!("{named}{}{}", delta(going_on, count), delta(ended, count)), CostCertainty::Exact),
        (format!("{named}{text}"), CostCertainty::Estimated),
        (format!("{named}{text}{}{text}", delta(going_on, count)), CostCertainty::Estimated),
        (format!("{named}{}{}", delta(going_on, count), delta(ended, "null")), CostCertainty::Estimated),
        (
            format!("{named}{}{}", delta(going_on, count), delta(ended, r#"{"output_tokens":0}"#)),
            CostCertainty::Estimated,
        ),
        (format!("{named}{text}{}", delta(ended, r#"{"output_tokens":0}"#)), CostCertainty::Estimated),
        (format!("{}{}", start(""), delta(ended, count)), CostCertainty::Estimated),
        (format!("{named}{}", delta(refused, "null")), CostCertainty::Exact),
        (format!("{named}{text}{}", delta(refused, "null")), CostCertainty::Estimated),
        (format!("{named}{}", delta(refused_for_bio, "null")), CostCertainty::Estimated),
        (format!("{named}{}", delta(in_container, count)), CostCertainty::Estimated),
        (delta(ended, count), CostCertainty::Estimated),
        (text.to_owned(), CostCertainty::Unknown),
        (String::new(), CostCertainty::Unknown),
    ] {
        assert_eq!(certainty(stream, &body, true), expected, "{body}");
    }
    let whole = format!("{named}{text}{}", delta(ended, count));
    assert_eq!(certainty(stream, &whole, false), CostCertainty::Exact, "a client that leaves after the last count");
}

#[test]
fn the_cost_of_an_answer_in_one_piece_is_exact_if_it_came_to_its_end() {
    let usage = r#""usage":{"input_tokens":25,"output_tokens":40}"#;
    for (body, expected) in [
        (format!(r#"{{"model":"claude-opus-5",{usage}}}"#), CostCertainty::Exact),
        (format!(r#"{{"model":"claude-opus-5",{usage},"stop_re"#), CostCertainty::Estimated),
        (format!("{{{usage}}}"), CostCertainty::Estimated),
        (
            format!(r#"{{"model":"claude-opus-5","container":{{"id":"container_1"}},{usage}}}"#),
            CostCertainty::Estimated,
        ),
        (r#"{"model":"claude-opus-5","usage":{"input_tokens":25}}"#.to_owned(), CostCertainty::Estimated),
        (r#"{"model":"claude-opus-5","usage":{}}"#.to_owned(), CostCertainty::Unknown),
        (r#"{"model":"claude-opus-5"}"#.to_owned(), CostCertainty::Unknown),
        (r#"{"model":"claude-opus-5","content":[{"type":"text","text":"#.to_owned(), CostCertainty::Unknown),
    ] {
        assert_eq!(certainty("application/json", &body, body.ends_with('}')), expected, "{body}");
    }
    assert_eq!(certainty("text/html", "<html>", true), CostCertainty::Unknown);
}

#[test]
fn what_is_no_id_is_not_remembered() {
    let long = format!("\"{}\"", "x".repeat(Reference::LONGEST_ID + 1));
    for id in ["7", "null", "\"\"", "{}", &long] {
        let mut meter = meter("application/json").with_message_id();
        meter.data(format!(r#"{{"id":{id},"container":{{"id":{id}}},"usage":{{"input_tokens":1}}}}"#).as_bytes());
        assert!(meter.references().is_empty(), "{id}");
        let mut plain = self::meter("application/json");
        plain.data(format!(r#"{{"container":{id}}}"#).as_bytes());
        assert!(plain.references().is_empty(), "{id}");
    }
}
