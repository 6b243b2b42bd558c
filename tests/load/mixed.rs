//! Five hundred requests at once, of every kind of end: one record each, and nothing is left open.

use std::collections::HashSet;

use valetkey::service::meter::usage::Ended;

use testkit::http::client;
use testkit::http::wire::{Wire, messages};
use testkit::service::TestService;
use testkit::upstream::{Answer, Cut, Gate, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_mixed_requests_leave_one_record_each() {
    let _machine = crate::alone().await;
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("WORKERS", "2"));
    let token = service.token().await;
    let gate = Gate::new();
    for number in 0..REQUESTS {
        upstream.answer_next(answer(number, &gate));
    }
    let client = client();
    let asking: Vec<_> = (0..REQUESTS)
        .map(|number| {
            let (client, url, token) = (client.clone(), service.url.clone(), token.clone());
            tokio::spawn(async move {
                if number % 5 == 0 {
                    leave(&url, &token).await;
                } else {
                    let request = client.post(format!("{url}/v1/messages")).bearer_auth(token).body(BODY);
                    // A cut is an error here, as intended.
                    let _ = async { request.send().await?.bytes().await }.await;
                }
            })
        })
        .collect();
    upstream.wait_for_abandoned().await;
    gate.open();
    for asked in asking {
        asked.await.unwrap();
    }
    let records = service.usage.wait_for(REQUESTS).await;
    upstream.wait_for_open_streams(0).await;
    service.stop();
    let ids: HashSet<_> = records.iter().map(|record| record.request_id.as_str()).collect();
    assert_eq!((records.len(), ids.len()), (REQUESTS, REQUESTS));
    for ended in [Ended::Complete, Ended::Cancelled, Ended::UpstreamCut, Ended::Error] {
        assert!(records.iter().any(|record| record.ended == ended), "{ended:?}");
    }
}

/// Makes a request and leaves as soon as the head has come.
async fn leave(url: &str, token: &str) {
    let mut wire = Wire::connect(url).await;
    wire.send(messages(token, BODY)).await;
    wire.until(b"\r\n\r\n").await;
}

/// Held answers have a head, and no end until the `gate` opens: a client that leaves them leaves in the middle.
fn answer(number: usize, gate: &Gate) -> Answer {
    match number % 6 {
        0 => Answer::message_stream("one two three"),
        1 => Answer::json(200, serde_json::json!({ "usage": { "input_tokens": 1, "output_tokens": 1 } })),
        2 => Answer::message_stream("one two three").gzip().in_pieces(50),
        3 => Answer::message_stream("one two three").cut_after(4, Cut::Fin),
        4 => Answer::error(529, "overloaded_error", "Overloaded"),
        _ => Answer::message_stream("one two three").hold_after(1, gate.clone()),
    }
}

const REQUESTS: usize = 500;
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
