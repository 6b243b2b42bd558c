//! What was used, as the admin listener tells it.

use serde_json::{Value, json};

use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn sums_are_what_was_used_by_device_model_and_day() {
    let (_upstream, service) = used().await;
    let sums = |query: &'static str| {
        let service = &service;
        async move { service.admin("GET", &format!("/admin/usage?{query}"), None).await.json() }
    };
    let by_device = sums("group_by=device").await;
    let keys: Vec<_> = by_device["rows"].as_array().unwrap().iter().map(|row| row["key"].clone()).collect();
    assert_eq!(keys, [json!("device-0001"), json!("device-0002")]);
    assert_eq!((&by_device["rows"][0]["requests"], &by_device["total"]["requests"]), (&json!(2), &json!(3)));
    let total: u64 = service.usage.records().iter().map(|record| record.tokens.output_tokens).sum();
    assert_eq!(by_device["total"]["output_tokens"], total);
    assert!(total > 0);
    let cost = &by_device["total"];
    assert!(cost["cost_usd"].as_f64().unwrap() > 0.0 && cost["cost_exact_usd"] == cost["cost_usd"], "{cost}");
    assert_eq!((&cost["cost_estimated_usd"], &cost["requests_of_unknown_cost"]), (&json!(0.0), &json!(0)));
    assert_eq!(sums("group_by=model").await["rows"][0]["requests"], 3);
    assert_eq!(sums("group_by=day").await["rows"].as_array().unwrap().len(), 1);
    assert_eq!(sums("group_by=org").await["rows"][0]["key"], Value::Null);
    assert_eq!(sums("device_id=device-0002").await["total"]["requests"], 1);
    assert_eq!(sums("to=2020-01-01").await["rows"], json!([]));
}

#[tokio::test]
async fn sums_come_as_csv_that_no_spreadsheet_executes() {
    let (_upstream, service) = used().await;
    let change = json!({ "user": "=cmd|'/c calc'!A0" });
    assert_eq!(service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await.status, 200);
    let token = service.token().await;
    service.messages(&token, BODY).await;
    let csv = async || service.admin("GET", "/admin/usage?group_by=user&format=csv", None).await;
    service.until(async || csv().await.text().contains("calc")).await;
    let answer = csv().await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    let titles = "key,requests,input_tokens,output_tokens,cache_creation_input_tokens,cache_read_input_tokens,cost_usd,\
        cost_exact_usd,cost_estimated_usd,requests_of_unknown_cost\r\n";
    assert!(answer.text().starts_with(titles), "{}", answer.text());
    let exact = answer.text().lines().skip(1).all(|line| line.ends_with(",0.000000,0"));
    assert!(exact, "nothing was estimated: {}", answer.text());
    assert!(answer.text().contains("\r\n\"'=cmd|'/c calc'!A0\",1,"), "{}", answer.text());
}

#[tokio::test]
async fn single_requests_come_newest_first_page_by_page() {
    let (_upstream, service) = used().await;
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = service.admin("GET", &format!("/admin/requests?limit=1{cursor}"), None).await.json();
        seen.push(page["items"][0].clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 3);
    let mut records = service.usage.records();
    records.reverse();
    assert!(seen.iter().all(|item| item["ended"] == "complete" && item["status"] == 200), "{seen:?}");
    assert!(seen.iter().all(|item| item["cost_certainty"] == "exact"), "{seen:?}");
    let ids = |ids: Vec<String>| ids.into_iter().collect::<std::collections::BTreeSet<_>>();
    let listed = seen.iter().map(|item| item["request_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids(listed), ids(records.into_iter().map(|record| record.request_id).collect()));
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_by_name() {
    let (_upstream, service) = used().await;
    for (query, named) in [
        ("/admin/usage?group_by=colour", "`group_by`"),
        ("/admin/usage?format=xml", "`format`"),
        ("/admin/usage?from=yesterday", "`from`"),
        ("/admin/usage?to=9999999999999999", "`to`"),
        ("/admin/requests?limit=0", "`limit`"),
        ("/admin/requests?device_id=a%20b", "device id"),
    ] {
        let answer = service.admin("GET", query, None).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(named), "{query}: {}", answer.text());
    }
}

/// Two devices with three requests, in the database.
async fn used() -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    upstream.answer_always(Answer::message_stream("hello"));
    for device in ["device-0001", "device-0001", "device-0002"] {
        let token = service.token_for(device).await;
        assert_eq!(service.messages(&token, BODY).await.status, 200);
    }
    let count = async || service.admin("GET", "/admin/usage", None).await.json()["total"]["requests"].as_u64();
    service.until(async || count().await == Some(3)).await;
    (upstream, service)
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
