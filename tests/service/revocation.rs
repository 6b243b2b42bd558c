//! Who is revoked is shut out: at the door, at the desk that hands out tokens, and in the middle of a stream.

use serde_json::json;
use valetkey::service::meter::usage::Ended;

use testkit::http::post;
use testkit::http::wire::{Wire, messages};
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn a_revoked_device_is_shut_out_until_it_is_let_in_again() {
    let (upstream, service) = pair();
    let (token, other) = (service.token().await, service.token_for("device-0002").await);
    let revocation = revoke(&service, json!({ "device_id": "device-0001", "reason": "lost laptop" })).await;
    let refused = service.messages(&token, BODY).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (401, "token_revoked"));
    assert_eq!(refused.header("x-should-retry"), Some("false"));
    assert_eq!(service.messages(&other, BODY).await.status, 200, "others are served");
    for (path, authorization) in [("/refresh", format!("Bearer {token}")), ("/bootstrap", String::new())] {
        let headers = [("authorization", authorization.as_str())];
        let headers = if path == "/refresh" { &headers[..] } else { &[] };
        let answer = post(&service.at(path), headers, r#"{"device_id":"device-0001"}"#).await;
        assert_eq!(answer.error_code(), "token_revoked", "{path}");
    }
    assert_eq!(service.admin("DELETE", &format!("/admin/revocations/{revocation}"), None).await.status, 204);
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    assert_eq!(upstream.requests().len(), 2, "what was refused was not sent");
}

#[tokio::test]
async fn f56_an_open_stream_of_a_revoked_device_ends_with_an_error_event() {
    let (upstream, service) = pair();
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("hello").hold_after(2, gate.clone()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    wire.until(b"message_start").await;
    revoke(&service, json!({ "device_id": "device-0001" })).await;
    let came = String::from_utf8(wire.until(b"0\r\n\r\n").await).unwrap();
    assert!(came.contains("event: error\ndata: ") && came.contains("token_revoked"), "{came}");
    let records = service.usage.wait_for(1).await;
    assert_eq!((records[0].ended, records[0].status), (Ended::Revoked, Some(200)));
    assert!(records[0].tokens.input_tokens > 0, "what it used is on record");
    upstream.wait_for_abandoned().await;
}

#[tokio::test]
async fn f56_a_request_that_waits_for_its_answer_is_recalled_as_well() {
    let (upstream, service) = pair();
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("hello").hold_before_head(gate.clone()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    upstream.wait_for_requests(1).await;
    revoke(&service, json!({ "device_id": "device-0001" })).await;
    let response = wire.response().await;
    assert_eq!(response.status(), 401);
    assert_eq!(service.usage.wait_for(1).await[0].ended, Ended::Revoked);
}

#[tokio::test]
async fn one_token_is_revoked_by_its_name_and_its_device_gets_another() {
    let (_upstream, service) = pair();
    let minted = service.admin("POST", "/admin/tokens", Some(json!({ "device_id": "device-0001" }))).await;
    assert_eq!(minted.status, 201, "{}", minted.text());
    let minted = minted.json();
    let token = format!("sk-ant-proxy-{}", minted["token"].as_str().unwrap());
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    revoke(&service, json!({ "jti": minted["jti"] })).await;
    assert_eq!(service.messages(&token, BODY).await.error_code(), "token_outdated");
    let inspected = service.admin("POST", "/admin/tokens/inspect", Some(json!({ "token": token }))).await.json();
    assert_eq!((&inspected["is_good"], &inspected["fault"]), (&json!(false), &json!("token_outdated")));
    assert_eq!(service.messages(&service.token().await, BODY).await.status, 200);
}

#[tokio::test]
async fn an_organisation_an_app_version_and_old_tokens_can_be_revoked() {
    let (_upstream, service) = pair();
    let token = service.token().await;
    service.messages(&token, BODY).await;
    known(&service, "device-0001").await;
    let change = json!({ "org": "acme", "user": "ada" });
    assert_eq!(service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await.status, 200);
    for revoked in [json!({ "org": "acme" }), json!({ "user": "ada" })] {
        let id = revoke(&service, revoked.clone()).await;
        assert_eq!(service.messages(&token, BODY).await.error_code(), "token_revoked", "{revoked}");
        service.admin("DELETE", &format!("/admin/revocations/{id}"), None).await;
    }
    let body = r#"{"device_id":"device-0002","app_version":"1.2.3-bad"}"#;
    let issued = post(&service.at("/bootstrap"), &[], body).await.json();
    let bad = format!("sk-ant-proxy-{}", issued["token"].as_str().unwrap());
    revoke(&service, json!({ "app_version": "1.2.3-bad" })).await;
    assert_eq!(service.messages(&bad, BODY).await.error_code(), "token_revoked");
    assert_eq!(post(&service.at("/bootstrap"), &[], body).await.error_code(), "token_revoked");
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    service.clock.advance(std::time::Duration::from_secs(5));
    let now = service.unix_seconds();
    revoke(&service, json!({ "issued_before": now })).await;
    assert_eq!(service.messages(&token, BODY).await.error_code(), "token_outdated");
    let bearer = format!("Bearer {token}");
    let refreshed = post(&service.at("/refresh"), &[("authorization", &bearer)], "").await;
    assert_eq!(refreshed.error_code(), "token_outdated", "so that its app asks /bootstrap");
    assert_eq!(service.messages(&service.token().await, BODY).await.status, 200, "new ones are good");
}

/// Revokes and answers the revocation's id.
async fn revoke(service: &TestService, what: serde_json::Value) -> String {
    let answer = service.admin("POST", "/admin/revocations", Some(what)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Waits until the database knows a device: usage is written in batches.
async fn known(service: &TestService, device: &str) {
    service.until(async || service.admin("GET", &format!("/admin/devices/{device}"), None).await.status == 200).await;
}

fn pair() -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    (upstream, service)
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
