//! The headers that tell a client how its device stands: by its own limits and budgets, never by those of the real key.

use serde_json::json;
use valetkey::clock::Clock;
use valetkey::service::config::Flags;
use valetkey::service::govern::budgets::Period;

use super::governed_budgets::{BODY, costing};
use testkit::http::{Answer as Reply, post};
use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn what_is_left_of_a_limit_of_requests_is_told_with_each_answer_and_with_the_refusal() {
    let (_upstream, service) = limited(|flags| flags.set("RATE_LIMIT_MAX", "3"));
    let token = service.token().await;
    let reset = humantime::format_rfc3339_seconds(service.clock.now() + std::time::Duration::from_secs(60)).to_string();
    for (status, remaining) in [(200, "2"), (200, "1"), (200, "0"), (429, "0")] {
        let answer = service.messages(&token, BODY).await;
        let expected = [
            ("anthropic-ratelimit-requests-limit", "3"),
            ("anthropic-ratelimit-requests-remaining", remaining),
            ("anthropic-ratelimit-requests-reset", reset.as_str()),
        ];
        assert_eq!((answer.status, told(&answer)), (status, expected.to_vec()), "in place of the upstream's own");
    }
}

#[tokio::test]
async fn a_default_limit_is_not_told_and_one_of_the_device_is() {
    let (upstream, service) = limited(|flags| flags.set("RATE_LIMIT_MAX", ""));
    let token = service.token().await;
    let answer = service.messages(&token, BODY).await;
    assert!(answer.status == 200 && told(&answer).is_empty(), "{:?}", answer.headers);
    let change = json!({ "limits": { "requests": 20, "tokens_per_minute": 5000 } });
    assert!(service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await.status < 300);
    upstream.answer_next(costing(100));
    service.messages(&token, BODY).await;
    service.usage.wait_for(2).await;
    let answer = service.messages(&token, BODY).await;
    for (name, value) in [("requests-limit", "20"), ("tokens-limit", "5000"), ("tokens-remaining", "3900")] {
        assert_eq!(answer.header(&format!("anthropic-ratelimit-{name}")), Some(value), "{:?}", answer.headers);
    }
    let (bearer, counted) = (format!("Bearer {token}"), service.at("/v1/messages/count_tokens"));
    let counted = post(&counted, &[("authorization", bearer.as_str())], BODY).await;
    assert!(counted.status == 200 && told(&counted).is_empty(), "what costs nothing tells nothing");
}

#[tokio::test]
async fn the_fullest_budget_is_told_with_each_answer_that_it_pays_for() {
    let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "0.13/day,0.5/week"));
    let token = service.token().await;
    upstream.answer_next(costing(10_000)); // 0.102 dollars
    for (period, status, utilization, threshold) in
        [(Period::Week, "allowed", "0.00", None), (Period::Day, "allowed_warning", "0.78", Some("0.75"))]
    {
        let answer = service.messages(&token, BODY).await;
        let end = period.window(service.clock.now()).end.to_string();
        let expected = [
            ("anthropic-ratelimit-unified-overage-reset", Some(end.as_str())),
            ("anthropic-ratelimit-unified-overage-status", Some(status)),
            ("anthropic-ratelimit-unified-overage-surpassed-threshold", threshold),
            ("anthropic-ratelimit-unified-overage-utilization", Some(utilization)),
            ("anthropic-ratelimit-unified-representative-claim", Some("overage")),
            ("anthropic-ratelimit-unified-reset", Some(end.as_str())),
            ("anthropic-ratelimit-unified-status", Some(status)),
        ];
        let expected: Vec<_> = expected.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        assert_eq!((answer.status, told(&answer)), (200, expected));
        service.usage.wait_for(1).await;
    }
}

#[tokio::test]
async fn an_error_of_the_upstream_tells_nothing_of_a_budget() {
    let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "5/day"));
    upstream.answer_next(Answer::error(429, "rate_limit_error", "slow down").header("retry-after", "7"));
    let answer = service.messages(&service.token().await, BODY).await;
    assert_eq!((answer.status, answer.header("retry-after"), told(&answer)), (429, Some("7"), Vec::new()));
}

/// The rate-limit headers of an answer, sorted.
fn told(answer: &Reply) -> Vec<(&str, &str)> {
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let mut told: Vec<_> = headers.filter(|(name, _)| name.starts_with("anthropic-ratelimit-")).collect();
    told.sort_unstable();
    told
}

fn limited(adjust: impl FnOnce(&mut Flags)) -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, adjust);
    (upstream, service)
}
