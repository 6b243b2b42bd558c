//! Limits, the breaker and prices on a request's way; and two instances on one database.

use serde_json::json;
use valetkey::service::usage::Ended;

use crate::support::http::{get, post};
use crate::support::service::TestService;
use crate::support::upstream::{Answer, Cut, Gate, Upstream};
use crate::support::wire::{Wire, messages};

#[tokio::test]
async fn a45_the_request_beyond_the_limit_is_refused_and_not_sent() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.rate_limit_max = Some("3".into()));
    let (token, other) = (service.token().await, service.token_for("device-0002").await);
    for _ in 0..3 {
        assert_eq!(service.messages(&token, BODY).await.status, 200);
    }
    let refused = service.messages(&token, BODY).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limited"));
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert_eq!(refused.header("x-should-retry"), Some("true"));
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(upstream.requests().len(), 3, "what is refused is not sent");
    assert_eq!(service.messages(&other, BODY).await.status, 200, "each device has its own limit");
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    assert_eq!(post(&service.at("/v1/messages/count_tokens"), &headers, BODY).await.status, 200);
    assert_eq!(get(&service.at("/v1/models"), &headers).await.status, 200, "neither is charged nor refused");
    let seen = async || service.admin("GET", "/admin/devices/device-0001", None).await.status == 200;
    service.until(seen).await;
    service.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "limits": { "requests": 0 } }))).await;
    assert_eq!(service.messages(&token, BODY).await.status, 200, "an administrator lifts it at once");
}

#[tokio::test]
async fn a48_a_slot_is_free_again_however_its_request_ends() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.concurrent_requests = Some("1".into()));
    let token = service.token().await;
    for (cut, ended) in [(None, Ended::Cancelled), (Some(Cut::Reset), Ended::UpstreamCut)] {
        let gate = Gate::new();
        let held = Answer::message_stream("hello").hold_after(1, gate.clone());
        upstream.answer_next(cut.into_iter().fold(held, |answer, cut| answer.cut_after(2, cut)));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        wire.until(b"message_start").await;
        let refused = service.messages(&token, BODY).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limited"), "{ended:?}");
        let before = service.usage.records().len();
        if cut.is_some() {
            gate.open();
            wire.rest().await;
        } else {
            drop(wire);
        }
        assert_eq!(service.usage.wait_for(before + 1).await[before].ended, ended);
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{ended:?}");
    }
}

#[tokio::test]
async fn f05_a_failing_upstream_is_left_alone_and_a47_a_client_cannot_make_it_look_so() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let mut tokens = Vec::new();
    for number in 0..8 {
        tokens.push(service.token_for(&format!("device-{number:04}")).await);
    }
    for status in [400, 429] {
        upstream.answer_always(Answer::error(status, "invalid_request_error", "no"));
        for token in tokens.iter().cycle().take(40) {
            assert_eq!(service.messages(token, BODY).await.status, status);
        }
    }
    upstream.answer_always(Answer::error(500, "api_error", "down"));
    let mut refused = None;
    for token in tokens.iter().cycle().take(400) {
        let answer = service.messages(token, BODY).await;
        if answer.status == 503 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 500);
    }
    let refused = refused.expect("the circuit opens");
    assert_eq!(refused.error_code(), "breaker_open");
    assert!(refused.header("retry-after").is_some());
    let sent = upstream.requests().len();
    assert_eq!(service.messages(&tokens[0], BODY).await.status, 503);
    assert_eq!(upstream.requests().len(), sent, "the upstream is not asked");
    let circuits = service.admin("GET", "/admin/breaker", None).await.json();
    assert!(circuits["circuits"].as_array().unwrap().iter().any(|circuit| circuit["state"] == "open"), "{circuits}");
    assert_eq!(get(&service.at("/readyz"), &[]).await.status, 200, "readiness does not follow it");
}

#[tokio::test]
async fn a_request_has_its_price_and_an_unknown_model_is_not_free() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    for (model, estimated) in [("claude-haiku-4-5", false), ("no-such-model", true)] {
        upstream.answer_next(Answer::message_stream_of(model, "hello"));
        let before = service.usage.records().len();
        service.messages(&token, format!(r#"{{"model":"{model}","stream":true,"messages":[]}}"#)).await;
        let record = service.usage.wait_for(before + 1).await.pop().unwrap();
        assert!(record.cost.unwrap().get() > 0, "{record:?}");
        assert_eq!(record.cost_estimated, estimated, "{model}");
    }
}

#[tokio::test]
async fn a_revocation_by_one_instance_is_in_force_on_the_other_and_after_a_restart() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("shared.db").display());
    let start = || TestService::before_with(&upstream, |flags| flags.database_url = Some(database.clone()));
    let (one, other) = (start(), start());
    let token = one.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("hello").hold_after(2, gate.clone()));
    let mut wire = Wire::connect(&other.url).await;
    wire.send(messages(&token, BODY)).await;
    wire.until(b"message_start").await;
    one.admin("POST", "/admin/revocations", Some(json!({ "device_id": "device-0001" }))).await;
    let came = String::from_utf8(wire.until(b"0\r\n\r\n").await).unwrap();
    assert!(came.contains("token_revoked"), "{came}");
    assert_eq!(other.messages(&token, BODY).await.error_code(), "token_revoked");
    one.stop();
    other.stop();
    assert_eq!(start().messages(&token, BODY).await.error_code(), "token_revoked", "a restart forgets nothing");
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
