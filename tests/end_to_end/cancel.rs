//! An early end passes both hops, upward from the app and downward from the upstream; a slow app slows the upstream.

use std::time::{Duration, Instant};

use valetkey::service::meter::usage::Ended;

use crate::both::{ASK, Both, stream_text};
use testkit::upstream::{Answer, Cut, Gate};

#[tokio::test]
async fn f54_an_app_that_leaves_mid_stream_closes_the_upstream_and_is_recorded() {
    let both = Both::start().await;
    both.upstream.answer_next(Answer::message_stream("a b c d").hold_after(4, Gate::new()));
    let mut response = both.open(ASK).await;
    response.chunk().await.unwrap().unwrap();
    let left = Instant::now();
    drop(response);
    let noticed = both.upstream.wait_for_abandoned().await.duration_since(left);
    assert!(noticed <= Duration::from_millis(250), "{noticed:?}");
    let records = both.service.usage.wait_for(1).await;
    assert_eq!((records.len(), records[0].ended), (1, Ended::Cancelled));
}

#[tokio::test]
async fn f54_an_app_that_leaves_before_the_first_byte_closes_the_upstream_and_is_recorded() {
    let both = Both::start().await;
    both.upstream.answer_next(Answer::message_stream("never").hold_before_head(Gate::new()));
    let url = format!("{}/v1/messages", both.client.url());
    let call = testkit::http::client().post(url).header("authorization", both.client.bearer()).body(ASK);
    let waiting = tokio::spawn(call.send());
    both.upstream.wait_for_open_streams(1).await;
    let left = Instant::now();
    waiting.abort();
    let noticed = both.upstream.wait_for_abandoned().await.duration_since(left);
    assert!(noticed <= Duration::from_millis(250), "{noticed:?}");
    let records = both.service.usage.wait_for(1).await;
    assert_eq!((records.len(), records[0].ended), (1, Ended::Cancelled));
}

#[tokio::test]
async fn f06_f07_a_stream_ends_abnormally_for_the_app_when_the_upstream_breaks_off() {
    for cut in [Cut::Fin, Cut::Reset] {
        let both = Both::start().await;
        let gate = Gate::new();
        let (answer, _) = stream_text(&["event: one", "event: two", "event: three"]);
        both.upstream.answer_next(answer.hold_after(2, gate.clone()).cut_after(2, cut));
        let mut response = both.open(ASK).await;
        let mut text = Vec::new();
        while text.len() < 24 {
            text.extend_from_slice(&response.chunk().await.unwrap().unwrap());
        }
        gate.open();
        let end = response.chunk().await;
        assert_eq!(&text[..], b"event: one\n\nevent: two\n\n");
        assert!(end.is_err(), "{cut:?}: {end:?}");
        assert_eq!(both.service.usage.wait_for(1).await[0].ended, Ended::UpstreamCut);
    }
}

#[tokio::test]
async fn f55_an_app_that_does_not_read_stops_the_upstream_from_sending() {
    let both = Both::start().await;
    let pieces = 2_000;
    let event = format!("data: {}\n\n", "x".repeat(64 * 1024));
    both.upstream.answer_next(Answer::stream(vec![event.clone(); pieces]));
    let mut response = both.open(ASK).await;
    let mut length = response.chunk().await.unwrap().unwrap().len();
    // 128 MB do not fit into the sockets in between, so the answer stays open while others are served.
    both.upstream.answer_next(Answer::message_stream("meanwhile"));
    assert_eq!(both.ask(ASK).await.status, 200);
    assert_eq!(both.upstream.open_streams(), 1);
    while let Some(chunk) = response.chunk().await.unwrap() {
        length += chunk.len();
    }
    assert_eq!(length, pieces * event.len());
    assert_eq!(both.service.usage.wait_for(2).await[1].ended, Ended::Complete);
}

#[tokio::test]
async fn f55_a_slow_app_that_then_leaves_closes_the_upstream() {
    let both = Both::start().await;
    let event = format!("data: {}\n\n", "x".repeat(64 * 1024));
    both.upstream.answer_next(Answer::stream(vec![event; 2_000]));
    let mut response = both.open(ASK).await;
    response.chunk().await.unwrap().unwrap();
    let left = Instant::now();
    drop(response);
    let noticed = both.upstream.wait_for_abandoned().await.duration_since(left);
    assert!(noticed <= Duration::from_millis(250), "{noticed:?}");
    assert_eq!(both.service.usage.wait_for(1).await[0].ended, Ended::Cancelled);
}

#[tokio::test]
async fn an_upload_waits_for_an_upstream_that_does_not_read() {
    let both = Both::start().await;
    let gate = Gate::new();
    both.upstream.answer_next(Answer::message_stream("late").hold_before_body(gate.clone()));
    let body = format!(r#"{{"model":"claude-sonnet-5-5","x":"{}"}}"#, "y".repeat(20 << 20));
    let (answer, ()) = tokio::join!(both.ask(body.clone()), async {
        both.upstream.wait_until("the head", |requests| requests.len() == 1).await;
        gate.open();
    });
    assert_eq!(answer.status, 200);
    assert!(both.upstream.requests()[0].body == body.as_bytes());
}
