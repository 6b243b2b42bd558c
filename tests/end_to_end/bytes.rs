//! Bytes pass both hops unchanged, in both directions.

use valetkey::service::meter::usage::Ended;

use crate::both::{ASK, Both, stream_text};
use testkit::upstream::{Answer, Gate};

#[tokio::test]
async fn a_message_reaches_the_app_and_leaves_one_record() {
    let both = Both::start().await;
    both.upstream.answer_next(Answer::message_stream("hello from upstream"));
    let answer = both.ask(ASK).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("message_stop"));
    assert_eq!(both.upstream.requests()[0].body, ASK.as_bytes());
    both.assert_no_leak(&answer);
    let records = both.service.usage.wait_for(1).await;
    assert_eq!((records.len(), records[0].ended, records[0].tokens.input_tokens), (1, Ended::Complete, 25));
    assert_eq!(records[0].device.as_str(), both.client.client.status().device.id.as_str());
}

#[tokio::test]
async fn f10_a_stream_arrives_unchanged_in_pieces_of_any_size() {
    let both = Both::start().await;
    let long = format!("event: x\r\ndata: {}\u{1f600}", "ü".repeat(200_000));
    let events = ["event: ping\ndata: {}", ": comment", "\u{feff}data: \0\r", &long];
    for size in [1, 3, 64 * 1024, 1 << 20] {
        let shown = if size == 1 { &events[..3] } else { &events[..] };
        let (answer, text) = stream_text(shown);
        both.upstream.answer_next(answer.in_pieces(size));
        let answer = both.ask(ASK).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == text.as_bytes(), "pieces of {size}");
    }
    assert_eq!(both.service.usage.wait_for(4).await.len(), 4);
}

#[tokio::test]
async fn thirty_megabytes_go_up_and_come_down_unchanged() {
    let both = Both::start().await;
    let filler: String = (b'a'..=b'z').cycle().take(30_000_000).map(char::from).collect();
    let body = format!(r#"{{"model":"claude-sonnet-5-5","messages":[{{"role":"user","content":"{filler}"}}]}}"#);
    let down: Vec<u8> = (0..=255).cycle().take(30_000_000).collect();
    both.upstream.answer_next(Answer::whole(200, "application/octet-stream", down.clone()));
    let answer = both.ask(body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text().chars().take(300).collect::<String>());
    assert!(answer.body == down);
    assert!(both.upstream.requests()[0].body == body.as_bytes());
}

#[tokio::test]
async fn a_compressed_stream_stays_compressed() {
    let both = Both::start().await;
    both.upstream.answer_next(Answer::message_stream("compressed").gzip());
    let answer = both.ask(ASK).await;
    assert_eq!((answer.header("content-encoding"), &answer.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
    let record = &both.service.usage.wait_for(1).await[0];
    assert_eq!(record.tokens.input_tokens, 25);
}

#[tokio::test]
async fn the_first_event_is_not_held_back() {
    let both = Both::start().await;
    let gate = Gate::new();
    both.upstream.answer_next(stream_text(&["event: one", "event: two"]).0.hold_after(1, gate.clone()));
    let mut response = both.open(ASK).await;
    let first = tokio::time::timeout(std::time::Duration::from_secs(5), response.chunk()).await;
    assert_eq!(&first.expect("it comes before the gate opens").unwrap().unwrap()[..], b"event: one\n\n");
    gate.open();
    assert_eq!(&response.chunk().await.unwrap().unwrap()[..], b"event: two\n\n");
}

#[tokio::test]
async fn f01_f02_f03_errors_of_the_upstream_reach_the_app_unchanged() {
    let both = Both::start().await;
    let cases =
        [(400, "invalid_request_error"), (429, "rate_limit_error"), (500, "api_error"), (529, "overloaded_error")];
    for (status, kind) in cases {
        both.upstream.answer_next(Answer::error(status, kind, "the upstream's words").header("retry-after", "9"));
        let answer = both.ask(ASK).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, Some("9")));
        assert_eq!(answer.header("x-valetkey-error"), None);
        assert_eq!(answer.json()["error"]["type"], kind);
        assert_eq!(answer.json()["request_id"].as_str(), answer.header("request-id"));
    }
    assert_eq!(both.upstream.requests().len(), 4);
}

#[tokio::test]
async fn a_refusal_of_the_real_key_is_not_taken_for_an_expired_token() {
    let both = Both::start().await;
    let before = both.client.client.status().expires_at;
    let refusal = Answer::error(401, "authentication_error", "invalid x-api-key");
    both.upstream.answer_next(refusal.header("x-valetkey-error", "token_expired"));
    let answer = both.ask(ASK).await;
    assert_ne!(answer.status, 200);
    assert_eq!(both.upstream.requests().len(), 1);
    assert_eq!(both.client.client.status().expires_at, before);
    both.assert_no_leak(&answer);
}
