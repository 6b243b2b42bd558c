//! What a device may do is really decided on a request's way, and what a request takes comes back however it ends.

use serde_json::json;
use valetkey::service::meter::usage::{CostCertainty, Ended};

use testkit::http::{Answer as Reply, get, post};
use testkit::service::{TestService, metrics};
use testkit::upstream::{Answer, Cut, Gate, Upstream};

#[tokio::test]
async fn a45_a_device_with_too_many_requests_is_refused_and_nobody_else() {
    let (upstream, service) = limited(|flags| flags.set("RATE_LIMIT_MAX", "3"));
    let (token, other) = (service.token().await, service.token_for("device-0002").await);
    for _ in 0..3 {
        assert_eq!(service.messages(&token, BODY).await.status, 200);
    }
    refused(&service.messages(&token, BODY).await);
    refused(&service.messages(&service.token().await, BODY).await); // a new token is no new device
    assert_eq!(upstream.requests().len(), 3, "what was refused was not sent");
    assert_eq!(service.messages(&other, BODY).await.status, 200, "others are served");
    let records = service.usage.wait_for(4).await;
    assert_eq!(records[3].device.as_str(), "device-0002", "what was refused is not on record");
    let page = metrics(&service).await;
    assert!(page.contains("valetkey_limit_decisions_total{decision=\"denied_requests\"} 2\n"), "{page}");
    assert!(page.contains("valetkey_refusals_total{code=\"rate_limited\"} 2\n"), "{page}");
}

#[tokio::test]
async fn counting_tokens_and_listing_models_is_neither_charged_nor_refused() {
    let (_upstream, service) = limited(|flags| flags.set("RATE_LIMIT_MAX", "1"));
    let token = service.token().await;
    for served in [200, 429] {
        for _ in 0..3 {
            assert_eq!(free_of_charge(&service, &token).await, (200, 200));
        }
        assert_eq!(service.messages(&token, BODY).await.status, served);
    }
    assert_eq!(free_of_charge(&service, &token).await, (200, 200));
}

#[tokio::test]
async fn a_change_of_a_devices_limits_is_in_force_at_once() {
    let (_upstream, service) = limited(|flags| flags.set("RATE_LIMIT_MAX", "1"));
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    refused(&service.messages(&token, BODY).await);
    known(&service, "device-0001").await;
    for (limits, served) in [(json!({ "requests": 0 }), 200), (json!({ "requests": 1 }), 429)] {
        let change = json!({ "limits": limits });
        assert_eq!(service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await.status, 200);
        assert_eq!(service.messages(&token, BODY).await.status, served, "{limits}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_later_counts_as_one_and_holds_no_place() {
    let (upstream, service) = limited(|flags| {
        flags.set("RATE_LIMIT_MAX", "4");
        flags.set("CONCURRENT_REQUESTS", "1");
        flags.set("ALLOWED_MODELS", Answer::MODEL);
        flags.set("MAX_PAYLOAD_SIZE", "1024");
    });
    let token = service.token().await;
    let forged = format!("{token}x");
    for _ in 0..5 {
        assert_eq!(service.messages(&forged, BODY).await.status, 401, "counts for nobody");
    }
    let too_large = format!(r#"{{"model":"{}","system":"{}"}}"#, Answer::MODEL, "a".repeat(2000));
    assert_eq!(service.messages(&token, too_large).await.error_code(), "payload_too_large");
    assert_eq!(service.messages(&token, r#"{"model":"claude-opus-5"}"#).await.error_code(), "model_not_allowed");
    assert_eq!(service.messages(&token, "{").await.status, 400);
    assert_eq!(service.messages(&token, BODY).await.status, 200, "there is a place");
    refused(&service.messages(&token, BODY).await);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a48_open_requests_are_limited_and_each_that_ends_makes_room() {
    for end in [Ended::Complete, Ended::Cancelled, Ended::UpstreamCut] {
        let (upstream, service) = limited(|flags| flags.set("CONCURRENT_REQUESTS", "2"));
        let token = service.token().await;
        let (first, second) = (Gate::new(), Gate::new());
        let stream = Answer::message_stream("hello").hold_after(1, first.clone());
        upstream.answer_next(if end == Ended::UpstreamCut { stream.cut_after(2, Cut::Reset) } else { stream });
        upstream.answer_next(Answer::message_stream("hello").hold_after(1, second.clone()));
        let mut open = service.open(&token, BODY).await;
        let held = service.open(&token, BODY).await;
        refused(&service.messages(&token, BODY).await);
        assert_eq!(free_of_charge(&service, &token).await.0, 429, "what costs nothing is open as well");
        let other = service.token_for("device-0002").await;
        assert_eq!(service.messages(&other, BODY).await.status, 200, "others are served");
        match end {
            Ended::Cancelled => drop(open),
            _ => {
                first.open();
                while let Ok(Some(_)) = open.chunk().await {}
            }
        }
        // One of another device, one of this.
        assert_eq!(service.usage.wait_for(2).await[1].ended, end);
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{end:?} makes room");
        second.open();
        assert_eq!(held.bytes().await.map(|body| body.is_empty()).ok(), Some(false), "the other stream went on");
    }
}

#[tokio::test]
async fn tokens_that_were_used_count_against_the_minute_once_they_are_known() {
    let (upstream, service) = limited(|flags| flags.set("TOKENS_PER_MINUTE", "50"));
    let (token, other) = (service.token().await, service.token_for("device-0002").await);
    upstream.answer_always(Answer::message_stream("hello"));
    // 25 of input, 10 written to the cache, 1 of output; what is read from the cache is not counted.
    for count in 1..=2 {
        assert_eq!(service.messages(&token, BODY).await.status, 200, "36 tokens are fewer than 50");
        service.usage.wait_for(count).await;
    }
    refused(&service.messages(&token, BODY).await);
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(free_of_charge(&service, &token).await.0, 200);
    assert_eq!(service.messages(&other, BODY).await.status, 200);
}

#[tokio::test]
async fn a_request_costs_what_its_model_costs() {
    let (upstream, service) = limited(|_| {});
    let token = service.token().await;
    for model in [Answer::MODEL, "claude-unheard-of-9"] {
        let usage = json!({ "input_tokens": 1000, "output_tokens": 100 });
        upstream.answer_next(Answer::json(200, json!({ "type": "message", "model": model, "usage": usage })));
    }
    upstream.answer_next(Answer::error(400, "invalid_request_error", "no"));
    for status in [200, 200, 400] {
        assert_eq!(service.messages(&token, BODY).await.status, status);
    }
    let records = service.usage.wait_for(3).await;
    let cost_of = |at: usize| (records[at].cost.map(|cost| cost.get()), records[at].cost_certainty);
    assert_eq!(cost_of(0), (Some(1000 * 2 + 100 * 10), CostCertainty::Exact));
    let (guess, certainty) = cost_of(1);
    assert!(guess > Some(3000), "{guess:?}: as the dearest model that is known");
    assert_eq!(certainty, CostCertainty::Estimated);
    assert_eq!(cost_of(2), (None, CostCertainty::Exact), "what used nothing has no price");
    let sums = async || service.admin("GET", "/admin/usage?group_by=model", None).await.json();
    service.until(async || sums().await["total"]["requests"] == 3).await;
    let sums = sums().await;
    let row = |key: &str| sums["rows"].as_array().unwrap().iter().find(|row| row["key"] == key).unwrap().clone();
    assert_eq!(row("claude-unheard-of-9")["cost_usd"], guess.unwrap() as f64 / 1e6);
    assert_eq!(sums["total"]["cost_usd"], (3000 + guess.unwrap()) as f64 / 1e6);
    let total = &sums["total"];
    assert_eq!((&total["cost_exact_usd"], &total["requests_of_unknown_cost"]), (&json!(0.003), &json!(0)));
    assert_eq!(total["cost_estimated_usd"], guess.unwrap() as f64 / 1e6);
}

/// Refused by a limit, and told when to try again: within a minute.
fn refused(answer: &Reply) {
    assert_eq!((answer.status, answer.error_code().as_str()), (429, "rate_limited"));
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    let seconds: u64 = answer.header("retry-after").expect("when to try again").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

/// The statuses of `count_tokens` and of the list of models.
async fn free_of_charge(service: &TestService, token: &str) -> (u16, u16) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let counted = post(&service.at("/v1/messages/count_tokens"), &headers, BODY).await;
    (counted.status, get(&service.at("/v1/models"), &headers).await.status)
}

/// Waits until the database knows a device: usage is written in batches.
pub(crate) async fn known(service: &TestService, device: &str) {
    service.until(async || service.admin("GET", &format!("/admin/devices/{device}"), None).await.status == 200).await;
}

fn limited(adjust: impl FnOnce(&mut valetkey::service::config::Flags)) -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, adjust);
    (upstream, service)
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
