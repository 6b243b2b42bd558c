//! What the client gets when the upstream fails.

use std::time::Duration;

use valetkey::service::meter::usage::Ended;

use testkit::http::client;
use testkit::http::wire::{End, Wire, messages};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate, Options, Upstream};

#[tokio::test]
async fn f05_an_upstream_that_refuses_is_a_502() {
    let gone = Upstream::start();
    let service = TestService::before(&gone);
    drop(gone);
    let answer = service.messages(&service.token().await, BODY).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_unreachable"));
    assert_eq!((answer.header("x-should-retry"), answer.header("retry-after")), (Some("true"), Some("1")));
    let record = service.usage.wait_for(1).await.remove(0);
    assert_eq!((record.ended, record.status), (Ended::Error, Some(502)));
}

#[tokio::test]
async fn f04_an_upstream_that_never_answers_is_a_504_at_the_limit() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before_with(&upstream, |flags| flags.set("UPSTREAM_FIRST_BYTE_TIMEOUT", "300"));
        let token = service.token().await;
        upstream.answer_next(Answer::message_stream("late").hold_before_head(Gate::new()));
        let asked = tokio::time::Instant::now();
        let answer = service.messages(&token, BODY).await;
        let waited = asked.elapsed();
        assert_eq!((answer.status, answer.error_code().as_str()), (504, "upstream_timeout"), "{leg:?}");
        assert!(waited >= Duration::from_millis(300) && waited < Duration::from_millis(1300), "{leg:?}: {waited:?}");
        upstream.wait_for_abandoned().await;
        assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::Error);
    }
}

#[tokio::test]
async fn f01_f02_f03_errors_of_the_api_pass_unchanged() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let statuses = [400, 402, 404, 409, 413, 429, 500, 502, 503, 529];
        for status in statuses {
            let body =
                format!(r#"{{ "type":"error","error":{{"type":"of_{status}","message":"thinking: signature"}}}}"#);
            let answer = Answer::whole(status, "application/json", body.clone().into_bytes());
            upstream.answer_next(answer.header("retry-after", "7").header("request-id", "req_1"));
            let answer = service.messages(&token, BODY).await;
            assert_eq!((answer.status, answer.text()), (status, body), "{leg:?}");
            assert_eq!((answer.header("retry-after"), answer.header("request-id")), (Some("7"), Some("req_1")));
            assert_eq!((answer.header("x-valetkey-error"), answer.header("x-should-retry")), (None, None));
        }
        let records = service.usage.wait_for(statuses.len()).await;
        assert!(records.iter().all(|record| record.ended == Ended::Error && !record.no_usage));
        assert_eq!(upstream.requests().len(), statuses.len(), "nothing is sent twice");
    }
}

#[tokio::test]
async fn a_refused_key_is_the_services_fault_not_the_clients() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::error(401, "authentication_error", "invalid x-api-key"));
        let answer = service.messages(&token, BODY).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_credential"), "{leg:?}");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert!(!answer.text().contains("x-api-key"), "{}", answer.text());
        let record = service.usage.wait_for(1).await.remove(0);
        assert_eq!((record.ended, record.status), (Ended::Error, Some(502)));
    }
}

#[tokio::test]
async fn only_the_key_from_the_configuration_opens_the_upstream() {
    use testkit::service::REAL_KEY;
    let upstream = Upstream::start_with(Options { key: Some(REAL_KEY.into()), ..Options::default() });
    let service = TestService::before(&upstream);
    let answer = service.messages(&service.token().await, BODY).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a40_a_redirect_is_passed_and_not_followed() {
    let elsewhere = Upstream::start();
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let location = format!("{}/v1/messages", elsewhere.url());
    for status in [301, 302, 303, 307, 308] {
        upstream.answer_next(Answer::whole(status, "text/html", b"moved".to_vec()).header("location", &location));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        let response = wire.response().await;
        assert_eq!((response.status(), response.body.as_slice()), (status, b"moved".as_slice()));
    }
    assert_eq!((elsewhere.requests().len(), elsewhere.connections()), (0, 0));
}

#[tokio::test]
async fn f08_a_stream_that_stalls_ends_with_an_error_event() {
    for leg in Leg::ALL {
        for (line_end, pieces) in [("\n", 2), ("\r\n", 2), ("\r", 2), ("\n", START.len() + PING.len())] {
            let upstream = leg.upstream();
            let service = TestService::before_with(&upstream, |flags| flags.set("UPSTREAM_IDLE_TIMEOUT", "200"));
            let token = service.token().await;
            let answer = Answer::stream([START, PING, PING].map(|event| event.replace('\n', line_end)).into());
            let answer = if pieces > 2 { answer.byte_by_byte() } else { answer };
            upstream.answer_next(answer.hold_after(pieces, Gate::new()));
            let answer = service.messages(&token, BODY).await;
            let text = answer.text();
            let (_, data) = text.split_once("event: error\ndata: ").unwrap_or_else(|| panic!("{leg:?}: {text}"));
            let error: serde_json::Value = serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap();
            assert_eq!((&error["type"], &error["error"]["type"]), (&"error".into(), &"timeout_error".into()));
            upstream.wait_for_abandoned().await;
            let record = service.usage.wait_for(1).await.remove(0);
            assert_eq!((record.ended, record.tokens.input_tokens), (Ended::UpstreamCut, 25), "{leg:?}");
        }
    }
}

#[tokio::test]
async fn f08_a_stall_inside_an_event_or_of_another_kind_of_answer_is_a_bare_cut() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("UPSTREAM_IDLE_TIMEOUT", "200"));
    let token = service.token().await;
    for answer in [
        Answer::message_stream("one two").in_pieces(100),
        Answer::message_stream("one two").gzip().in_pieces(100),
        Answer::whole(200, "application/json", vec![b' '; 1000]).in_pieces(100),
    ] {
        upstream.answer_next(answer.hold_after(1, Gate::new()));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        let (came, end) = wire.rest().await;
        assert!(!String::from_utf8_lossy(&came).contains("event: error"));
        assert!(!came.ends_with(b"0\r\n\r\n") && end == End::Closed);
    }
}

#[tokio::test]
async fn f08_pings_keep_a_stream_alive() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("UPSTREAM_IDLE_TIMEOUT", "1500"));
    let token = service.token().await;
    upstream.answer_next(Answer::stream(vec![PING.to_owned(); 8]).spaced(Duration::from_millis(400)));
    let answer = client().post(service.at("/v1/messages")).bearer_auth(&token).body(BODY).send().await.unwrap();
    assert!(!answer.text().await.unwrap().contains("error"));
    assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::Complete);
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;

const START: &str = concat!(
    "event: message_start\n",
    r#"data: {"message":{"model":"claude-sonnet-5-5","usage":{"input_tokens":25,"output_tokens":1}}}"#,
    "\n\n"
);

const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
