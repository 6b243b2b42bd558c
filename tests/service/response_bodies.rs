//! What the upstream sends arrives at the client, byte for byte, whatever it is.

use testkit::legs::{Leg, assert_same};
use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn f10_f11_a_stream_arrives_unchanged_however_it_is_cut_and_whatever_it_holds() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        for (name, bytes) in streams() {
            for size in [1, 3, 7, 64 * 1024] {
                let answer = Answer::whole(200, "text/event-stream; charset=utf-8", bytes.clone());
                upstream.answer_next(answer.in_pieces(size));
                let answer = service.messages(&token, BODY).await;
                assert_eq!(answer.status, 200);
                assert_same(&answer.body, &bytes, (leg, name, size));
            }
        }
    }
}

#[tokio::test]
async fn f10_a_chunked_stream_arrives_unchanged_byte_by_byte() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let events: Vec<_> = MESSAGE.split_inclusive("\n\n").map(str::to_owned).collect();
        upstream.answer_next(Answer::stream(events.clone()).byte_by_byte());
        upstream.answer_next(Answer::stream(events.clone()).byte_by_byte().in_one_write());
        upstream.answer_next(Answer::stream(events));
        for _ in 0..3 {
            let answer = service.messages(&token, BODY).await;
            assert_same(&answer.body, MESSAGE.as_bytes(), leg);
        }
        for record in service.usage.wait_for(3).await {
            assert_eq!((record.tokens.input_tokens, record.tokens.output_tokens), (11, 42));
        }
    }
}

#[tokio::test]
async fn f12_an_event_of_16_mib_and_an_answer_of_30_mb_arrive_unchanged() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let text = "x".repeat(16 << 20);
        let event = format!("event: content_block_delta\ndata: {{\"delta\":{{\"text\":\"{text}\"}}}}\n\n");
        let whole = format!("{START}{event}{END}");
        upstream.answer_next(Answer::stream(vec![START.into(), event, END.into()]).in_pieces(64 * 1024));
        assert_same(&service.messages(&token, BODY).await.body, whole.as_bytes(), leg);

        let bytes: Vec<u8> =
            (0..30_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        upstream.answer_next(Answer::whole(200, "application/octet-stream", bytes.clone()));
        assert_same(&service.messages(&token, BODY).await.body, &bytes, leg);
        let records = service.usage.wait_for(2).await;
        assert_eq!((records[0].tokens.input_tokens, records[0].tokens.output_tokens), (11, 42), "{leg:?}");
    }
}

#[tokio::test]
async fn an_answer_keeps_its_length_and_an_empty_one_stays_empty() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    upstream.answer_next(Answer::whole(200, "application/json", b"{}".to_vec()));
    upstream.answer_next(Answer::whole(200, "application/json", Vec::new()));
    upstream.answer_next(Answer::whole(204, "application/json", Vec::new()));
    let answers = [
        service.messages(&token, BODY).await,
        service.messages(&token, BODY).await,
        service.messages(&token, BODY).await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200, 204]);
    let lengths = answers.each_ref().map(|answer| answer.header("content-length"));
    assert_eq!(lengths, [Some("2"), Some("0"), None]);
    assert_eq!(service.usage.wait_for(3).await.len(), 3);
}

/// Streams that a parser would trip over, and one that it would not.
fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let around = |odd: &[u8]| [START.as_bytes(), odd, END.as_bytes()].concat();
    vec![
        ("good", MESSAGE.into()),
        ("byte order mark", [b"\xef\xbb\xbf".as_slice(), MESSAGE.as_bytes()].concat()),
        ("CRLF", MESSAGE.replace('\n', "\r\n").into()),
        ("lone CR", MESSAGE.replace('\n', "\r").into()),
        ("NUL", around(b"event: ping\ndata: a\0b\n\n")),
        ("bad UTF-8", around(b"event: content_block_delta\ndata: \xff\xfe\xc3\n\n")),
        ("UTF-8 of four bytes", around("event: content_block_delta\ndata: {\"text\":\"\u{1f511}é\"}\n\n".as_bytes())),
        ("broken JSON", around(b"event: message_delta\ndata: {\"usage\":{\n\n")),
        ("unknown event", around(b"event: of_the_future\nid: 7\nretry: 1\ndata: 1\ndata: 2\n\n")),
        ("comments", around(b": keep-alive\n\n:\n\n: another\n")),
        ("no end", [START.as_bytes(), b"event: ping\ndata: {"].concat()),
        ("chunk-like text", around(b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")),
    ]
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true}"#;

const START: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"model":"claude-sonnet-5-5","usage":{"input_tokens":11,"output_tokens":1}}}"#,
    "\n\n"
);

const END: &str = concat!(
    "event: message_delta\n",
    r#"data: {"type":"message_delta","usage":{"output_tokens":42}}"#,
    "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
);

const MESSAGE: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"model":"claude-sonnet-5-5","usage":{"input_tokens":11,"output_tokens":1}}}"#,
    "\n\nevent: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Grüße 🔑"}}"#,
    "\n\nevent: message_delta\n",
    r#"data: {"type":"message_delta","usage":{"output_tokens":42}}"#,
    "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
);
