//! Budgets on a request's way: what may be spent is put aside before a request goes up and settled when it has ended.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use valetkey::clock::Clock;
use valetkey::service::config::Flags;
use valetkey::service::govern::budgets::Period;
use valetkey::service::meter::usage::Ended;

use testkit::http::wire::{Wire, messages};
use testkit::http::{Answer as Reply, get, post};
use testkit::service::{TestService, metrics};
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn a_spent_budget_is_refused_in_exactly_the_shape_that_clients_show() {
    for (budget, period, name) in
        [("0/day", Period::Day, "daily"), ("0/week", Period::Week, "weekly"), ("0/month", Period::Month, "monthly")]
    {
        let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", budget));
        let answer = service.messages(&service.token().await, BODY).await;
        let window = period.window(service.clock.now());
        let end = window.end.to_string();
        let told = answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let mut told: Vec<_> = told.filter(|(name, _)| name.starts_with("anthropic-")).collect();
        told.sort_unstable();
        let golden = [
            ("anthropic-ratelimit-unified-overage-disabled-reason", "org_spend_cap_reached"),
            ("anthropic-ratelimit-unified-overage-period", name),
            ("anthropic-ratelimit-unified-overage-reset", end.as_str()),
            ("anthropic-ratelimit-unified-overage-utilization", "1"),
            ("anthropic-ratelimit-unified-reset", end.as_str()),
            ("anthropic-ratelimit-unified-status", "rejected"),
        ];
        assert_eq!(told, golden, "and neither …-representative-claim nor …-overage-status");
        let wait = window.rest(service.clock.now()).as_secs().to_string();
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some(wait.as_str())));
        assert_eq!((answer.header("x-should-retry"), answer.error_code().as_str()), (Some("false"), "budget_spent"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body = answer.json();
        assert_eq!(body["error"]["type"], "billing_error");
        let sentence = body["error"]["message"].as_str().unwrap();
        let beginning = format!("The {name} budget of this device is spent; it resets on ");
        assert!(sentence.starts_with(&beginning), "{sentence}");
        assert!(upstream.requests().is_empty() && service.usage.records().is_empty(), "it was not sent");
        let page = metrics(&service).await;
        assert!(page.contains("valetkey_budget_refusals_total{subject=\"device\",shortage=\"money\"} 1\n"), "{page}");
    }
}

#[tokio::test]
async fn counting_tokens_and_listing_models_is_never_refused() {
    let (_upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "0/day"));
    let token = service.token().await;
    spent(&service.messages(&token, BODY).await);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(post(&service.at("/v1/messages/count_tokens"), &headers, BODY).await.status, 200);
    assert_eq!(get(&service.at("/v1/models"), &headers).await.status, 200);
}

#[tokio::test]
async fn a44_what_a_request_may_cost_is_charged_before_it_is_relayed_and_what_it_cost_after() {
    let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "1/day"));
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(costing(10_000).hold_before_head(gate.clone()));
    let running = tokio::spawn({
        let (url, bearer) = (service.at("/v1/messages"), format!("Bearer {token}"));
        async move { post(&url, &[("authorization", bearer.as_str())], BODY).await.status }
    });
    upstream.wait_for_requests(1).await;
    // 10,000 tokens of output at 10 dollars a million, and a prompt that may be written to the cache.
    let [spent, reserved] = of_today(&service).await;
    assert!(spent == 0.0 && reserved > 0.1 && reserved < 0.11, "{spent} {reserved}");
    gate.open();
    assert_eq!(running.await.unwrap(), 200);
    service.usage.wait_for(1).await;
    assert_eq!(of_today(&service).await, [0.102, 0.0]);
}

#[tokio::test]
async fn a44_a_client_that_leaves_gives_back_what_was_put_aside_for_it() {
    let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "0.01/day"));
    let token = service.token().await;
    upstream.answer_next(Answer::message_stream("one two three").hold_after(1, Gate::new()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, STREAM)).await;
    wire.until(b"message_start").await;
    // It may cost more than there is, and ran alone.
    let refused = service.messages(&token, BODY).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "budget_reserved"));
    assert_eq!((refused.header("x-should-retry"), refused.header("retry-after")), (Some("true"), Some("5")));
    assert!(refused.headers.keys().all(|name| !name.as_str().starts_with("anthropic-ratelimit-")));
    drop(wire);
    let record = service.usage.wait_for(1).await.remove(0);
    let cost = record.cost.unwrap().in_dollars();
    assert_eq!(record.ended, Ended::Cancelled);
    assert_eq!(of_today(&service).await, [cost, 0.0], "what was seen of it is paid for");
    assert!(cost > 0.0 && cost < 0.001);
    assert_eq!(service.messages(&token, BODY).await.status, 200);
}

#[tokio::test]
async fn a44_a_request_that_the_upstream_refuses_or_never_answers_costs_nothing() {
    let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "0.01/day"));
    let token = service.token().await;
    upstream.answer_next(Answer::error(400, "invalid_request_error", "no"));
    upstream.answer_next(Answer::raw(b"nonsense\r\n\r\n".to_vec()));
    assert_eq!(service.messages(&token, BODY).await.status, 400);
    assert_eq!(service.messages(&token, BODY).await.status, 502);
    service.usage.wait_for(2).await;
    assert_eq!(of_today(&service).await, [0.0, 0.0]);
}

#[tokio::test]
async fn a44_fifty_requests_at_once_spend_no_more_than_the_limit_and_one_request() {
    let (upstream, service) = limited(|flags| {
        flags.set("DEVICE_BUDGET", "0.5/day");
        flags.set("WORKERS", "4");
    });
    let token = service.token().await;
    upstream.answer_always(costing(10_000).delayed(Duration::from_millis(20)));
    let (mut served, mut is_spent) = (0, false);
    while !is_spent {
        let mut round = JoinSet::new();
        for _ in 0..50 {
            let (url, bearer) = (service.at("/v1/messages"), format!("Bearer {token}"));
            round.spawn(async move { post(&url, &[("authorization", bearer.as_str())], BODY).await });
        }
        for answer in round.join_all().await {
            match answer.status {
                200 => served += 1,
                _ => is_spent |= answer.error_code() == "budget_spent",
            }
        }
    }
    service.usage.wait_for(served).await;
    let [spent, reserved] = of_today(&service).await;
    assert_eq!((reserved, upstream.requests().len()), (0.0, served));
    assert!((spent - 0.102 * served as f64).abs() < 1e-9, "{spent}: each once");
    // The limit, and the estimate of the one request that ran alone.
    assert!((0.5..0.5 + 0.105).contains(&spent), "{spent}");
}

#[tokio::test]
async fn f64_a_thread_reserves_what_its_conversation_may_cost() {
    let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "4/day"));
    let token = service.token().await;
    let usage = json!({ "input_tokens": 0, "cache_read_input_tokens": 900_000, "output_tokens": 100 });
    let long = json!({ "type": "message", "id": "msg_x", "model": "claude-opus-5-5", "usage": usage });
    upstream.answer_next(Answer::json(200, long.clone()));
    assert_eq!(in_thread(&service, &token, r#"{"type":"create"}"#).await.status, 200);
    service.usage.wait_for(1).await;
    let gate = Gate::new();
    upstream.answer_next(Answer::json(200, long).hold_before_head(gate.clone()));
    let running = tokio::spawn({
        let (url, bearer) = (service.at("/v1/messages"), format!("Bearer {token}"));
        let body = thread(r#"{"type":"continue","previous_message_id":"msg_x"}"#);
        async move { post(&url, &[("authorization", bearer.as_str())], body).await.status }
    });
    upstream.wait_for_requests(2).await;
    // 900,100 tokens that may be written to the cache for an hour at 8 dollars a million, and those of the body.
    let [spent, reserved] = of_today(&service).await;
    assert!((0.18..0.19).contains(&spent) && (7.2..7.3).contains(&reserved), "{spent} {reserved}");
    for _ in 0..4 {
        let refused = in_thread(&service, &token, r#"{"type":"continue","previous_message_id":"msg_x"}"#).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (429, "budget_reserved"), "{}", refused.text());
    }
    gate.open();
    assert_eq!(running.await.unwrap(), 200);
    service.usage.wait_for(2).await;
    let [spent, reserved] = of_today(&service).await;
    assert!((0.36..0.38).contains(&spent) && reserved == 0.0, "{spent} {reserved}");
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn f64_a_thread_whose_length_is_not_known_reserves_the_most_there_is() {
    let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "4/day"));
    let token = service.token().await;
    upstream.answer_next(Answer::message_stream("one two three").hold_after(1, Gate::new()));
    let mut wire = Wire::connect(&service.url).await;
    let beta = "anthropic-beta: message-threads-2026-08-12";
    wire.send(testkit::http::wire::post("/v1/messages", &token, &[beta], &thread(r#"{"type":"create"}"#))).await;
    wire.until(b"message_start").await;
    drop(wire);
    service.usage.wait_for(1).await;
    let gate = Gate::new();
    upstream.answer_next(costing(1).hold_before_head(gate.clone()));
    let running = tokio::spawn({
        let (url, bearer) = (service.at("/v1/messages"), format!("Bearer {token}"));
        let body = thread(r#"{"type":"continue","previous_message_id":"msg_stand_in"}"#);
        async move { post(&url, &[("authorization", bearer.as_str())], body).await.status }
    });
    upstream.wait_for_requests(2).await;
    let [_, reserved] = of_today(&service).await;
    assert!((8.0..8.1).contains(&reserved), "a million tokens at 8 dollars: {reserved}");
    gate.open();
    assert_eq!(running.await.unwrap(), 200);
}

#[tokio::test]
async fn a_devices_own_budget_goes_over_the_default_and_comes_off_again() {
    let (_upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "0/day"));
    let token = service.token().await;
    let patch = async |budget: Value| {
        service.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "budget": budget }))).await
    };
    let shown = async || service.admin("GET", "/admin/devices/device-0001", None).await.json()["budget"].clone();
    spent(&service.messages(&token, BODY).await);
    assert_eq!(patch(json!({})).await.status, 201);
    assert_eq!(service.messages(&token, BODY).await.status, 200, "no limit");
    assert_eq!(shown().await, json!({ "day_usd": null, "week_usd": null, "month_usd": null }));
    assert_eq!(patch(json!({ "week_usd": 0 })).await.status, 200);
    spent(&service.messages(&token, BODY).await);
    assert_eq!(patch(json!({ "day_usd": 5, "week_usd": null, "month_usd": "50.250001" })).await.status, 200);
    assert_eq!(shown().await, json!({ "day_usd": 5.0, "week_usd": null, "month_usd": 50.250_001 }));
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    for (bad, says) in [
        (json!({ "usd": 5 }), "unknown field `usd`"),
        (json!({ "day_usd": "0.0000001" }), "has more than six decimal places"),
        (json!({ "day_usd": -1 }), "is no plain decimal number"),
        (json!({ "day_usd": [] }), "is neither dollars"),
        (json!(5), "invalid type"),
    ] {
        let refused = patch(bad.clone()).await;
        assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (400, Some("invalid")), "{bad}");
        assert!(refused.text().contains(says), "{bad}: {}", refused.text());
    }
    assert_eq!(service.messages(&token, BODY).await.status, 200, "what was refused changed nothing");
    assert_eq!(patch(Value::Null).await.status, 200);
    assert_eq!(shown().await, Value::Null);
    spent(&service.messages(&token, BODY).await);
}

#[tokio::test]
async fn a_user_spends_one_budget_on_all_devices() {
    let (upstream, service) = limited(|_| {});
    upstream.answer_always(costing(10_000));
    for (device, user) in [("device-0001", "ada"), ("device-0002", "ada"), ("device-0003", "bob")] {
        service.admin("PATCH", &format!("/admin/devices/{device}"), Some(json!({ "user": user }))).await;
    }
    let path = "/admin/budgets/user/ada";
    for status in [201, 200] {
        assert_eq!(service.admin("PUT", path, Some(json!({ "day_usd": "0.1" }))).await.status, status);
    }
    let (first, second) = (service.token().await, service.token_for("device-0002").await);
    assert_eq!(service.messages(&first, BODY).await.status, 200);
    service.usage.wait_for(1).await;
    let refused = service.messages(&second, BODY).await;
    spent(&refused);
    assert!(refused.text().contains("The daily budget of this user is spent"), "{}", refused.text());
    assert_eq!(service.messages(&service.token_for("device-0003").await, BODY).await.status, 200, "another user");
    let shown = service.admin("GET", path, None).await.json();
    assert_eq!((&shown["kind"], &shown["name"], &shown["is_default"]), (&json!("user"), &json!("ada"), &json!(false)));
    assert_eq!((&shown["day"]["limit_usd"], &shown["day"]["spent_usd"]), (&json!(0.1), &json!(0.102)));
    assert_eq!((&shown["week"], &shown["month"]), (&Value::Null, &Value::Null));
    let end = Period::Day.window(service.clock.now()).end * 1000;
    assert_eq!(shown["day"]["ends_at"], end);
    assert_eq!(service.admin("GET", "/admin/budgets", None).await.json()["items"], json!([shown]));
    for status in [204, 404] {
        assert_eq!(service.admin("DELETE", path, None).await.status, status);
    }
    assert_eq!(service.messages(&second, BODY).await.status, 200);
}

#[tokio::test]
async fn an_organisation_has_a_budget_by_default_or_its_own() {
    let (_upstream, service) = limited(|flags| flags.set("ORG_BUDGET", "0/month"));
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200, "it has none yet");
    service.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "org": "acme" }))).await;
    let refused = service.messages(&token, BODY).await;
    spent(&refused);
    assert!(refused.text().contains("The monthly budget of this organisation is spent"), "{}", refused.text());
    let shown = service.admin("GET", "/admin/budgets/org/acme", None).await.json();
    assert_eq!((&shown["is_default"], &shown["month"]["limit_usd"]), (&json!(true), &json!(0.0)));
    assert_eq!(service.admin("PUT", "/admin/budgets/org/acme", Some(json!({}))).await.status, 201);
    assert_eq!(service.messages(&token, BODY).await.status, 200, "no limit");
}

#[tokio::test]
async fn what_makes_no_sense_as_a_budget_is_refused() {
    let (_upstream, service) = limited(|_| {});
    let long = format!("/admin/budgets/user/{}", "é".repeat(201));
    for (method, path) in [
        ("PUT", "/admin/budgets/device/device-0001"),
        ("DELETE", "/admin/budgets/device/device-0001"),
        ("PUT", "/admin/budgets/team/a"),
        ("PUT", "/admin/budgets/user/a%00b"),
        ("PUT", long.as_str()),
        ("GET", "/admin/budgets/device/x"),
        ("GET", "/admin/budgets/nobody/x"),
        ("GET", "/admin/budgets?cursor=nonsense"),
    ] {
        let answer = service.admin(method, path, (method == "PUT").then(|| json!({}))).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("invalid")), "{method} {path}");
    }
    let bad = service.admin("PUT", "/admin/budgets/user/a", Some(json!({ "day": 5 }))).await;
    assert!(bad.status == 400 && bad.text().contains("unknown field `day`"), "{}", bad.text());
    assert_eq!(service.admin("GET", "/admin/budgets", None).await.json(), json!({ "items": [], "next": null }));
}

#[tokio::test]
async fn what_a_budget_refuses_counts_against_no_other_limit() {
    let (upstream, service) = limited(|flags| {
        flags.set("DEVICE_BUDGET", "0/day");
        flags.set("RATE_LIMIT_MAX", "2");
        flags.set("CONCURRENT_REQUESTS", "1");
        flags.set("BATCHES_AND_FILES", "on");
    });
    let token = service.token().await;
    let bearer = format!("Bearer {token}");
    let batch = r#"{"requests":[{"custom_id":"a","params":{"model":"claude-sonnet-5-5"}}]}"#;
    for _ in 0..5 {
        spent(&service.messages(&token, BODY).await);
        spent(&post(&service.at("/v1/messages/batches"), &[("authorization", bearer.as_str())], batch).await);
    }
    assert!(upstream.requests().is_empty(), "no batch was made");
    let patched = service.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "budget": {} }))).await;
    assert_eq!(patched.status, 201);
    for count in 1..=2 {
        assert_eq!(service.messages(&token, BODY).await.status, 200);
        service.usage.wait_for(count).await;
    }
    assert_eq!(service.messages(&token, BODY).await.error_code(), "rate_limited");
}

#[tokio::test]
async fn a_new_day_begins_with_all_of_the_money() {
    let (upstream, service) = limited(|flags| flags.set("DEVICE_BUDGET", "0.1/day"));
    upstream.answer_always(costing(10_000));
    for count in 1..=2 {
        let token = service.token().await;
        assert_eq!(service.messages(&token, BODY).await.status, 200, "day {count}");
        service.usage.wait_for(count).await;
        spent(&service.messages(&token, BODY).await);
        let now = service.clock.now();
        service.clock.advance(Period::Day.window(now).rest(now));
    }
}

async fn in_thread(service: &TestService, token: &str, value: &str) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("anthropic-beta", "message-threads-2026-08-12")];
    post(&service.at("/v1/messages"), &headers, thread(value)).await
}

/// A request whose `thread` is this.
fn thread(value: &str) -> String {
    format!(r#"{{"model":"claude-opus-5-5","max_tokens":100,"thread":{value},"messages":[]}}"#)
}

fn spent(answer: &Reply) {
    assert_eq!((answer.status, answer.error_code().as_str()), (429, "budget_spent"), "{}", answer.text());
}

/// What `device-0001` has spent today and what is reserved, in dollars.
async fn of_today(service: &TestService) -> [f64; 2] {
    let shown = service.admin("GET", "/admin/budgets/device/device-0001", None).await.json();
    ["spent_usd", "reserved_usd"].map(|name| shown["day"][name].as_f64().unwrap())
}

/// 1000 tokens of input and these of output: 0.002 dollars, and 0.1 for 10,000.
pub(crate) fn costing(output_tokens: u64) -> Answer {
    let usage = json!({ "input_tokens": 1000, "output_tokens": output_tokens });
    Answer::json(200, json!({ "type": "message", "model": Answer::MODEL, "usage": usage }))
}

fn limited(adjust: impl FnOnce(&mut Flags)) -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, adjust);
    (upstream, service)
}

pub(crate) const BODY: &str = r#"{"model":"claude-sonnet-5-5","max_tokens":10000,"messages":[]}"#;
const STREAM: &str = r#"{"model":"claude-sonnet-5-5","max_tokens":10000,"stream":true,"messages":[]}"#;
