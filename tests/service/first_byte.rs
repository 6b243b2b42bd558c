//! Nothing is held back: what the upstream has sent is at the client before the upstream sends more.

use std::time::Duration;

use testkit::http::client;
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate};

#[tokio::test]
async fn each_event_arrives_before_the_upstream_sends_the_next() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let gates: Vec<_> = EVENTS.iter().map(|_| Gate::new()).collect();
        let answer = Answer::stream(EVENTS.map(str::to_owned).into());
        upstream.answer_next(
            gates.iter().enumerate().fold(answer, |answer, (number, gate)| answer.hold_after(number + 1, gate.clone())),
        );
        let mut answer = service.open(&token, BODY).await;
        for (event, gate) in EVENTS.iter().zip(gates) {
            let mut came = Vec::new();
            while came.len() < event.len() {
                came.extend(answer.chunk().await.unwrap().expect("the event"));
            }
            assert_eq!(came, event.as_bytes(), "{leg:?}");
            gate.open();
        }
        assert_eq!(answer.chunk().await.unwrap(), None);
    }
}

#[tokio::test]
async fn f09_the_head_arrives_before_the_first_byte_of_the_body() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let gate = Gate::new();
        upstream.answer_next(Answer::message_stream("hello").hold_after(0, gate.clone()));
        let answer = service.open(&token, BODY).await;
        assert_eq!(answer.status(), 200, "{leg:?}");
        gate.open();
        assert!(answer.bytes().await.unwrap().ends_with(b"\n\n"));
    }
}

#[tokio::test]
async fn gzip_arrives_event_by_event_too() {
    let upstream = Leg::Plain.upstream();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("hello").gzip().hold_after(1, gate.clone()));
    let mut answer = service.open(&token, BODY).await;
    let first = answer.chunk().await.unwrap().expect("the first event");
    assert!(first.starts_with(b"\x1f\x8b"));
    gate.open();
    while answer.chunk().await.unwrap().is_some() {}
    assert_eq!(service.usage.wait_for(1).await[0].tokens.input_tokens, 25);
}

#[tokio::test]
async fn a_stream_is_not_slowed_by_another_that_nobody_reads() {
    let upstream = Leg::Http2.upstream();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    // Larger than every buffer on the way, so that backpressure reaches the upstream.
    upstream.answer_next(Answer::whole(200, "application/octet-stream", vec![b'x'; 40 << 20]));
    let unread = service.open(&token, BODY).await;
    let quick = tokio::time::timeout(Duration::from_secs(5), service.messages(&token, BODY)).await;
    assert_eq!(quick.expect("an answer beside the unread one").status, 200);
    drop(unread);
}

#[tokio::test]
async fn an_upload_reaches_the_upstream_while_it_is_still_going_on() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let (sender, body) = testkit::http::growing_body();
        let bearer = format!("Bearer {token}");
        let request = client().post(service.at("/v1/messages")).header("authorization", bearer).body(body);
        let answer = tokio::spawn(request.send());
        sender.send(vec![b' '; 2 << 20]).unwrap();
        let arrived = |wanted: usize| format!("{wanted} bytes");
        upstream.wait_until(&arrived(1 << 20), |all| all.first().is_some_and(|one| one.body.len() >= 1 << 20)).await;
        sender.send(BODY.into()).unwrap();
        drop(sender);
        assert_eq!(answer.await.unwrap().unwrap().status(), 200, "{leg:?}");
        assert_eq!(upstream.requests()[0].body.len(), (2 << 20) + BODY.len());
    }
}

#[tokio::test]
async fn many_streams_run_at_the_same_time() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        // From here on there is a connection that could be shared.
        service.messages(&token, BODY).await;
        let gate = Gate::new();
        upstream.answer_always(Answer::message_stream("hello").hold_after(1, gate.clone()));
        let client = client();
        let ask = || client.post(service.at("/v1/messages")).bearer_auth(&token).body(BODY).send();
        let streams: Vec<_> =
            (0..STREAMS).map(|_| ask()).map(|asked| tokio::spawn(async { asked.await?.bytes().await })).collect();
        upstream.wait_for_open_streams(STREAMS).await;
        gate.open();
        for stream in streams {
            assert!(stream.await.unwrap().unwrap().ends_with(b"{\"type\":\"message_stop\"}\n\n"), "{leg:?}");
        }
        assert_eq!(service.usage.wait_for(1 + STREAMS).await.len(), 1 + STREAMS);
    }
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;

/// More than an HTTP/2 server usually lets run on one connection.
const STREAMS: usize = 250;

/// Also what is no event: a ping, comments, and half an event.
const EVENTS: [&str; 6] = [
    "event: message_start\ndata: {\"type\":\"message_start\"}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    ": keep-alive\n\n",
    ":",
    "\n\nevent: message_delta\nda",
    "ta: {}\n\n",
];
