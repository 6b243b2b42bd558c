//! Each relayed request leaves exactly one record, and it says what was used.

use std::time::SystemTime;

use serde_json::json;
use valetkey::service::meter::prices::{Conditions, Prices};
use valetkey::service::meter::usage::{CostCertainty, Ended, Tokens, UsageRecord};

use testkit::http::client;
use testkit::http::wire::{Wire, messages};
use testkit::legs::Leg;
use testkit::service::{ADMIN_TOKEN, TestService, metrics};
use testkit::upstream::{Answer, Cut, Gate, Upstream};

#[tokio::test]
async fn a_stream_is_metered_field_by_field() {
    let start = json!({ "message": { "model": "claude-sonnet-5-5-20260101", "usage": {
        "input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 10,
        "cache_creation": { "ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6 },
        "server_tool_use": { "web_search_requests": 2 }, "service_tier": "standard"
    }}});
    let first = json!({ "usage": { "output_tokens": 12, "input_tokens": null, "cache_creation_input_tokens": 10 } });
    let last = json!({ "usage": { "output_tokens": 40, "cache_read_input_tokens": 9, "of_the_future": 1 } });
    let events = [("message_start", start), ("message_delta", first), ("message_delta", last)];
    let record =
        metered(Answer::stream(events.map(|(name, data)| format!("event: {name}\ndata: {data}\n\n")).into())).await;
    let expected = Tokens {
        input_tokens: 25,
        output_tokens: 40,
        cache_write_5m_tokens: 4,
        cache_write_1h_tokens: 6,
        cache_read_tokens: 9,
    };
    assert_eq!(record.tokens, expected);
    assert_eq!(record.model_asked.as_deref(), Some("claude-sonnet-5-5"));
    assert_eq!(record.model_answered.as_deref(), Some("claude-sonnet-5-5-20260101"));
    assert_eq!((record.ended, record.status, record.device.as_str()), (Ended::Complete, Some(200), "device-0001"));
    assert!(!record.output_estimated && !record.no_usage && record.unparsed_events == 0);
    assert!(record.upstream_request_id.is_some_and(|id| id.starts_with("req_stand_in_")));
}

#[tokio::test]
async fn a_whole_answer_is_metered() {
    let body = json!({ "model": "m", "content": [{ "text": "x".repeat(100_000) }],
        "usage": { "input_tokens": 3, "output_tokens": 5, "cache_creation_input_tokens": 2 } });
    let record = metered(Answer::json(200, body).in_pieces(1000)).await;
    assert_eq!((record.tokens.input_tokens, record.tokens.output_tokens), (3, 5));
    assert_eq!((record.tokens.cache_write_5m_tokens, record.output_estimated), (2, false));
}

#[tokio::test]
async fn what_other_models_used_is_counted_and_has_their_price() {
    let iterations = json!([
        { "type": "compaction", "input_tokens": 100_000, "output_tokens": 0 },
        { "type": "message", "input_tokens": 10, "output_tokens": 20 },
        { "type": "advisor_message", "model": "claude-opus-5-5", "input_tokens": 1_000_000, "output_tokens": 0 }
    ]);
    let usage = json!({ "input_tokens": 10, "output_tokens": 20, "iterations": iterations, "cache_creation": "odd",
        "server_tool_use": { "web_search_requests": 3 } });
    let whole = json!({ "model": "claude-haiku-5-5", "usage": usage });
    let start = json!({ "message": { "model": "claude-haiku-5-5", "usage": { "input_tokens": 10 } } });
    let events = [("message_start", start), ("message_delta", json!({ "usage": usage }))];
    let events = events.map(|(name, data)| format!("event: {name}\ndata: {data}\n\n"));
    let prices = Prices::shipped();
    let cost = |model: &str, input: u64, output: u64, web_searches: u64| {
        let tokens = Tokens { input_tokens: input, output_tokens: output, ..Tokens::default() };
        let conditions = Conditions { web_searches, ..Conditions::default() };
        prices.cost_under(model, SystemTime::now(), &tokens, &conditions).amount
    };
    let own = cost("claude-haiku-5-5", 10, 20, 3);
    let expected = own + cost("claude-haiku-5-5", 100_000, 0, 0) + cost("claude-opus-5-5", 1_000_000, 0, 0);
    for answer in [Answer::json(200, whole), Answer::stream(events.into())] {
        let record = metered(answer).await;
        assert_eq!((record.tokens.input_tokens, record.tokens.output_tokens), (1_100_010, 20));
        assert_eq!(record.cost, Some(expected));
    }
}

#[tokio::test]
async fn a_model_without_a_price_is_logged_and_counted_once() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("ADMIN_TOKEN", ADMIN_TOKEN));
    let token = service.token().await;
    let answer = |model: &str, advisor: &str| {
        let entry = json!({ "type": "advisor_message", "model": advisor, "input_tokens": 1, "output_tokens": 1 });
        let usage = json!({ "input_tokens": 1, "output_tokens": 1, "iterations": [entry] });
        Answer::json(200, json!({ "model": model, "usage": usage }))
    };
    let known = "claude-haiku-5-5";
    for (model, advisor, count) in [
        (known, known, 0),
        ("claude-new-1", known, 1),
        ("claude-new-1[1m]", "claude-new-1-20261101", 1),
        (known, "claude-new-2", 2),
        ("claude-new-1", "claude-new-2", 2),
    ] {
        upstream.answer_next(answer(model, advisor));
        assert_eq!(service.messages(&token, "{}").await.status, 200);
        let expected = format!("valetkey_unpriced_models_total {count}\n");
        service.until(async || metrics(&service).await.contains(&expected)).await;
    }
}

#[tokio::test]
async fn a_usage_of_a_hundred_kilobytes_is_read() {
    let entry = json!({ "type": "message", "input_tokens": 1, "output_tokens": 2, "of_the_future": "x".repeat(1000) });
    let usage = json!({ "input_tokens": 100, "output_tokens": 200, "iterations": vec![entry; 100] });
    let event = format!("event: message_delta\ndata: {}\n\n", json!({ "usage": usage }));
    for answer in [Answer::json(200, json!({ "model": "m", "usage": usage })), Answer::stream(vec![event])] {
        let record = metered(answer).await;
        assert_eq!((record.tokens.input_tokens, record.tokens.output_tokens), (100, 200));
    }
}

#[tokio::test]
async fn an_attempt_that_does_not_say_its_model_has_the_price_of_the_one_that_was_asked() {
    let iterations = json!([
        { "type": "message", "model": null, "input_tokens": 1000, "output_tokens": 10 },
        { "type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 1000, "output_tokens": 4000 },
    ]);
    let usage = json!({ "input_tokens": 1000, "output_tokens": 4000, "iterations": iterations });
    let record = metered(Answer::json(200, json!({ "model": "claude-opus-4-8", "usage": usage }))).await;
    // 1000 tokens of input of claude-sonnet-5-5 at 2 dollars for a million and 10 of output at 10, then 1000 at 5 and 4000 at 25.
    assert_eq!(record.cost.map(|cost| cost.get()), Some(2_100 + 105_000));
    assert_eq!(record.model_asked.as_deref(), Some("claude-sonnet-5-5"));
}

#[tokio::test]
async fn names_of_types_and_codings_mean_the_same_in_capitals() {
    let capital = Answer::message_stream("one two").header("content-type", "Text/Event-Stream; charset=UTF-8");
    assert_eq!(metered(capital).await.tokens.input_tokens, 25);
    for encoding in ["GZIP", "gzip, identity"] {
        let answer = Answer::message_stream("one two").gzip().header("content-encoding", encoding);
        assert_eq!(metered(answer).await.tokens.input_tokens, 25, "{encoding}");
    }
    let plain = Answer::message_stream("one two").header("content-encoding", "Identity");
    assert_eq!(metered(plain).await.tokens.input_tokens, 25);
}

#[tokio::test]
async fn f13_an_error_event_after_200_is_relayed_and_counted_as_an_error() {
    let start = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n";
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    let record = metered(Answer::stream(vec![start.into(), error.into()])).await;
    assert_eq!((record.ended, record.tokens.input_tokens, record.status), (Ended::Error, 9, Some(200)));
}

#[tokio::test]
async fn f14_a_page_in_place_of_an_answer_has_no_usage() {
    let record = metered(Answer::html(200)).await;
    assert_eq!((record.ended, record.no_usage, record.tokens), (Ended::Complete, true, Tokens::default()));
    assert_eq!((record.cost, record.cost_certainty), (None, CostCertainty::Unknown));
    let record = metered(Answer::html(502)).await;
    assert_eq!((record.ended, record.no_usage, record.status), (Ended::Error, false, Some(502)));
}

#[tokio::test]
async fn a_request_has_an_unknown_cost_only_where_the_upstream_may_charge_for_it() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for (answer, status, certainty) in [
        (Answer::message_stream("hello"), 200, CostCertainty::Exact),
        (Answer::error(400, "invalid_request_error", "no"), 400, CostCertainty::Exact),
        (Answer::html(502), 502, CostCertainty::Exact),
        (Answer::raw(b"nonsense\r\n\r\n".to_vec()), 502, CostCertainty::Unknown),
    ] {
        let count = service.usage.records().len() + 1;
        upstream.answer_next(answer);
        assert_eq!(service.messages(&token, BODY).await.status, status);
        let record = service.usage.wait_for(count).await.pop().unwrap();
        assert_eq!(record.cost_certainty, certainty, "{record:?}");
    }
    let without_upstream = TestService::start("http://127.0.0.1:9");
    let token = without_upstream.token().await;
    assert_eq!(without_upstream.messages(&token, BODY).await.status, 502);
    let record = without_upstream.usage.wait_for(1).await.remove(0);
    assert_eq!((record.ended, record.cost_certainty), (Ended::Error, CostCertainty::Exact), "nothing was sent");
}

#[tokio::test]
async fn f11_events_that_cannot_be_read_are_counted() {
    let broken = "event: message_delta\ndata: {\"usage\":{\n\nevent: message_start\ndata: [\n\n: x\n\n";
    let record = metered(Answer::stream(vec![broken.into()])).await;
    assert_eq!((record.unparsed_events, record.no_usage, record.ended), (2, true, Ended::Complete));
}

#[tokio::test]
async fn f06_f07_a_cut_stream_leaves_the_tokens_seen_and_invents_no_end() {
    for leg in Leg::ALL {
        for cut in [Cut::Fin, Cut::Reset, Cut::Stream] {
            for answer in [Answer::message_stream("one two"), Answer::message_stream("one two").gzip()] {
                let upstream = leg.upstream();
                let service = TestService::before(&upstream);
                let token = service.token().await;
                let gate = Gate::new();
                upstream.answer_next(answer.hold_after(4, gate.clone()).cut_after(4, cut));
                let mut answer = service.open(&token, BODY).await;
                let mut came = answer.chunk().await.unwrap().unwrap().to_vec();
                gate.open();
                let end = loop {
                    match answer.chunk().await {
                        Ok(Some(piece)) => came.extend(piece),
                        end => break end,
                    }
                };
                assert!(end.is_err(), "{leg:?} {cut:?}: an abnormal end");
                let text = String::from_utf8_lossy(&came);
                assert!(!text.contains("message_stop") && !text.contains("event: error"), "{leg:?} {cut:?}");
                let record = service.usage.wait_for(1).await.remove(0);
                assert_eq!(record.ended, Ended::UpstreamCut, "{leg:?} {cut:?}");
                assert_eq!((record.tokens.input_tokens, record.output_estimated), (25, true), "{leg:?} {cut:?}");
                assert_eq!(record.cost_certainty, CostCertainty::Estimated, "{leg:?} {cut:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_came_before_a_cut_is_not_lost_even_when_all_of_it_comes_at_once() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for _ in 0..20 {
        upstream.answer_next(Answer::message_stream("one two").in_one_write().cut_after(5, Cut::Fin));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        let (came, _) = wire.rest().await;
        let came = String::from_utf8_lossy(&came);
        assert!(came.starts_with("HTTP/1.1 200 ") && came.contains("two"), "{came}");
        assert!(!came.ends_with("0\r\n\r\n"), "{came}");
    }
}

#[tokio::test]
async fn only_messages_are_expected_to_state_usage() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let ask = |method: reqwest::Method, path: &str| client().request(method, service.at(path)).bearer_auth(&token);
    for request in [
        ask(reqwest::Method::GET, "/v1/models"),
        ask(reqwest::Method::GET, "/v1/models/claude-haiku-5-5"),
        ask(reqwest::Method::POST, "/v1/messages/count_tokens").body(BODY),
    ] {
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let records = service.usage.wait_for(3).await;
    let routes: Vec<_> = records.iter().map(|record| record.route).collect();
    assert_eq!(routes, ["GET /v1/models", "GET /v1/models/{id}", "POST /v1/messages/count_tokens"]);
    assert!(records.iter().all(|record| !record.no_usage && record.tokens == Tokens::default()));
    assert!(records.iter().all(|record| record.cost_certainty == CostCertainty::Exact), "they cost nothing");
    assert_eq!(records[2].model_asked.as_deref(), Some("claude-sonnet-5-5"));
}

/// The record of one request that is answered so. The client reads to the end.
pub async fn metered(answer: Answer) -> UsageRecord {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    upstream.answer_next(answer);
    service.messages(&token, BODY).await;
    let mut records = service.usage.wait_for(1).await;
    assert_eq!(records.len(), 1);
    records.remove(0)
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
