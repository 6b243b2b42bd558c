//! The life of a real token between a real client and a real service.

use std::time::Duration;

use valetkey::client::error::ClientError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::ClientState;

use crate::both::{ASK, Both};
use testkit::client::Setup;
use testkit::http::Answer as Heard;
use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_token_that_has_expired_for_the_service_is_replaced_unnoticed_by_the_app() {
    let both = Both::start().await;
    assert_eq!(both.ask(ASK).await.status, 200);
    both.service.clock.advance(25 * HOUR);
    both.upstream.answer_next(Answer::message_stream("after the night"));
    let answer = both.ask(ASK).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("night"));
    both.assert_no_leak(&answer);
    let requests = both.upstream.requests();
    assert!(requests.len() == 2 && requests.iter().all(|request| request.body == ASK.as_bytes()));
    assert_eq!(both.service.usage.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn two_hundred_requests_with_an_expired_token_all_reach_the_upstream_once() {
    let both = Both::start().await;
    both.service.clock.advance(25 * HOUR);
    let answers = both.client.messages_at_once(200).await;
    // The stand-in answers 400 to a body that is no JSON, in its own words: every request has reached it once.
    let from_upstream = |answer: &&Heard| answer.status == 400 && answer.header("x-valetkey-error").is_none();
    assert_eq!((answers.iter().filter(from_upstream).count(), both.upstream.requests().len()), (200, 200));
}

#[tokio::test]
async fn a_refresh_replaces_a_token_that_is_still_good() {
    let both = Both::start().await;
    both.client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!(both.ask(ASK).await.status, 200);
    both.client.clock.advance(23 * HOUR);
    both.client.client.refresher.ask(Reason::Resumed).await.unwrap();
    assert_eq!((both.ask(ASK).await.status, both.client.client.status().state), (200, ClientState::Ready));
}

#[tokio::test]
async fn f41_a_device_whose_clock_is_a_day_off_works() {
    for ahead in [true, false] {
        let upstream = Upstream::start();
        let service = TestService::start(&upstream.url());
        let setup = Setup::new(&service.url);
        if ahead {
            setup.clock.advance(24 * HOUR)
        } else {
            setup.clock.set_back(24 * HOUR)
        }
        let client = setup.start().await;
        upstream.answer_next(Answer::message_stream("hello"));
        assert_eq!(client.messages(ASK).await.status, 200);
        assert_eq!(client.client.status().state, ClientState::Ready);
        // The `date` header of the real service is the system's time.
        let skew = client.client.status().clock_skew_ms.unwrap();
        assert!((skew.abs() - 86_400_000).abs() < 60_000 && (skew > 0) == ahead, "{skew}");
    }
}

#[tokio::test]
async fn a_body_over_the_buffer_limit_passes_at_the_second_try() {
    let both = Both::start().await;
    both.service.clock.advance(25 * HOUR);
    let body = format!(r#"{{"model":"claude-sonnet-5-5","x":"{}"}}"#, "y".repeat(20 << 20));
    let answer = both.ask(body.clone()).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "token_expired"));
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    both.upstream.answer_next(Answer::message_stream("hello"));
    assert_eq!(both.ask(body).await.status, 200);
    assert_eq!(both.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_long_buffered_body_is_sent_again_unnoticed_by_the_app() {
    for megabytes in [1, 4, 7] {
        let both = Both::start().await;
        both.service.clock.advance(25 * HOUR);
        both.upstream.answer_next(Answer::message_stream("hello"));
        let body = format!(r#"{{"model":"claude-sonnet-5-5","x":"{}"}}"#, "y".repeat(megabytes << 20));
        assert_eq!(both.ask(body.clone()).await.status, 200, "{megabytes} MB");
        assert!(both.upstream.requests().len() == 1 && both.upstream.requests()[0].body == body.as_bytes());
    }
}

#[tokio::test]
async fn a_client_is_denied_by_a_closed_service_and_without_an_enrolment_token() {
    let upstream = Upstream::start();
    let closed = TestService::start_with(&upstream.url(), |flags| flags.set("BOOTSTRAP_MODE", "closed"));
    assert!(matches!(Setup::new(&closed.url).refusal().await, ClientError::Denied { .. }));
    let enrolling = TestService::start_with(&upstream.url(), |flags| {
        flags.set("BOOTSTRAP_MODE", "enrolment");
        flags.set("ENROLMENT_TOKENS", "0123456789abcdef-enrol");
    });
    let with = |token: &str| Setup::new(&enrolling.url).with("enrolmentToken", token);
    assert!(matches!(Setup::new(&enrolling.url).refusal().await, ClientError::Denied { .. }));
    assert!(matches!(with("wrong").refusal().await, ClientError::Denied { .. }));
    assert_eq!(with("0123456789abcdef-enrol").start().await.client.status().state, ClientState::Ready);
}

#[tokio::test]
async fn f75_a_device_that_an_administrator_restores_works_again_by_itself() {
    for has_ended in [false, true] {
        let both = Both::start().await;
        let device = both.client.client.status().device.id;
        let revocation = serde_json::json!({ "device_id": device });
        let revoked = both.service.admin("POST", "/admin/revocations", Some(revocation)).await;
        let id = revoked.json()["id"].as_str().unwrap().to_owned();
        if has_ended {
            both.client.clock.advance(25 * HOUR);
        }
        assert_eq!(both.ask(ASK).await.error_code(), "token_revoked");
        both.client.wait_for("revoked", |status| status.state == ClientState::Revoked).await;
        both.service.admin("DELETE", &format!("/admin/revocations/{id}"), None).await;
        both.client.clock.advance(Duration::from_secs(30));
        both.client.wait_for("ready", |status| status.state == ClientState::Ready).await;
        both.upstream.answer_next(Answer::message_stream("hello"));
        assert_eq!(both.ask(ASK).await.status, 200);
    }
}
