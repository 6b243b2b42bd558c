//! What a device sees of the list of models: a restricted one its own models, any other the upstream's answer.

use serde_json::{Value, json};

use testkit::http::{Answer as Reply, get};
use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn a58_a_restricted_device_sees_its_models_as_the_upstream_wrote_them_and_no_others() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let own = [
        r#"{ "id" : "claude-haiku-5-5","type":"model", "display_name":"caf\u00e9 \"}],", "n": 1.0e3 }"#,
        r#"{"display_name":"x","id":"claude-sonnet\u002d5-5-20260922","capabilities":{"id":"claude-opus-5-5"}}"#,
    ];
    let others = [
        r#"{"id":"claude-opus-5-5"}"#,
        r#"{"id":"claude-haiku-5-5","id":"claude-opus-5-5"}"#,
        r#"{"id":["claude-haiku-5-5"]}"#,
    ];
    let all = format!("{},\n{} , {},{},{}", others[0], own[0], others[1], own[1], others[2]);
    upstream.answer_models_next(list(&all, r#""has_more": false"#));
    let answer = models(&service, "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let ids = r#""first_id":"claude-haiku-5-5","last_id":"claude-sonnet-5-5-20260922""#;
    assert_eq!(answer.text(), format!(r#"{{"data":[{},{}],"has_more":false,{ids}}}"#, own[0], own[1]));
    assert!(answer.header("request-id").is_some_and(|id| id.starts_with("req_vk_")));
    assert_eq!(service.usage.wait_for(1).await[0].status, Some(200));
}

#[tokio::test]
async fn a58_an_override_decides_what_is_seen_at_once() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    assert_eq!(ids(&models(&service, "").await), ["claude-sonnet-5-5", "claude-haiku-5-5"]);
    for (models_of_device, seen) in [(json!(["claude-opus-*"]), 1), (json!([]), 4), (json!(["claude-none"]), 0)] {
        let change = json!({ "models": models_of_device });
        assert!(service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await.status < 300);
        assert_eq!(ids(&models(&service, "").await).len(), seen, "{models_of_device}");
    }
    let none = models(&service, "").await.json();
    assert_eq!(none, json!({ "data": [], "has_more": false, "first_id": null, "last_id": null }));
}

#[tokio::test]
async fn a58_pages_lead_to_all_models_of_a_restricted_device_and_end() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    // Of the upstream's pages the first has none of the device's models, and the last one.
    upstream.answer_models_next(list(r#"{"id":"claude-opus-5-5"},{"id":"claude-opus-5"}"#, r#""has_more":true"#));
    upstream.answer_models_next(list(r#"{"id":"claude-haiku-5-5"},{"id":"claude-haiku-4-5"}"#, r#""has_more":true"#));
    upstream.answer_models_next(list(r#"{"id":"claude-sonnet-5-5"}"#, r#""has_more":false"#));
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = models(&service, &format!("?limit=2&beta=true{after}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let (found, page) = (ids(&page), page.json());
        assert_eq!(
            (page["first_id"].as_str(), page["last_id"].as_str()),
            (found.first().map(|id| &**id), found.last().map(|id| &**id))
        );
        after = format!("&after_id={}", found.last().expect("a page that something follows is not empty"));
        seen.extend(found);
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, ["claude-haiku-5-5", "claude-haiku-4-5", "claude-sonnet-5-5"]);
    let before = models(&service, "?limit=1&before_id=claude-sonnet-5-5&beta=true").await;
    assert_eq!((ids(&before), &before.json()["has_more"]), (vec!["claude-haiku-4-5".to_owned()], &json!(true)));
    let targets: Vec<_> = upstream.requests().into_iter().map(|received| received.target).collect();
    let expected = ["", "&after_id=claude-opus-5", "&after_id=claude-haiku-4-5"];
    assert_eq!(targets, expected.map(|after| format!("/v1/models?beta=true&limit=1000{after}")));
}

#[tokio::test]
async fn a58_a_page_behind_a_model_of_others_is_refused_like_one_behind_no_model() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let refusals = ["claude-opus-5-5", "claude-nothing-1"].map(|id| format!("?after_id={id}"));
    for query in refusals.iter().map(String::as_str).chain(["?limit=0", "?after_id=a&before_id=b"]) {
        let refused = models(&service, query).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (400, "request_invalid"), "{query}");
        assert!(!refused.text().contains("claude-"), "{}", refused.text());
    }
}

#[tokio::test]
async fn a58_a_model_that_a_device_may_not_use_is_unknown_in_the_apis_own_words() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    for id in ["claude-opus-5-5", "claude-opus-5-5-20260101", "Claude-Haiku-5-5", "claude-nothing-1"] {
        let answer = models(&service, &format!("/{id}")).await;
        let (status, request_id) = (answer.status, answer.header("request-id").unwrap().to_owned());
        let error = json!({ "type": "not_found_error", "message": format!("model: {id}") });
        assert_eq!(
            (status, answer.json()),
            (404, json!({ "type": "error", "error": error, "request_id": request_id }))
        );
        assert_eq!(answer.header("x-valetkey-error"), None);
    }
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
    for (id, status) in [("claude-haiku-5-5", 200), ("claude-sonnet-5-5", 200), ("claude-sonnet-5-5-20260922", 404)] {
        assert_eq!(models(&service, &format!("/{id}")).await.status, status, "{id}: as the upstream says");
    }
    assert_eq!(service.usage.wait_for(3).await.len(), 3);
}

#[tokio::test]
async fn a58_an_entry_with_a_star_shows_the_model_under_each_of_its_ids() {
    let upstream = Upstream::start();
    for entry in ["claude-haiku-5-5-*", "claude-haiku-5-5-2026*"] {
        let service = TestService::before_with(&upstream, |flags| flags.set("ALLOWED_MODELS", entry));
        let all = r#"{"id":"claude-haiku-5-5"},{"id":"claude-haiku-5-5-20260922"},{"id":"claude-haiku-5"}"#;
        upstream.answer_models_next(list(all, r#""has_more":false"#));
        let seen = ids(&models(&service, "").await);
        assert_eq!(seen, ["claude-haiku-5-5", "claude-haiku-5-5-20260922"], "{entry}");
        assert_eq!(models(&service, "/claude-haiku-5-5").await.status, 200, "{entry}");
        assert_eq!(models(&service, "/claude-haiku-5").await.status, 404, "{entry}");
    }
}

#[tokio::test]
async fn a58_a_model_for_a_long_context_is_judged_by_its_id_and_asked_for_as_it_is_written() {
    let upstream = Upstream::start();
    for service in [restricted(&upstream), TestService::before(&upstream)] {
        for ending in ["%5B1m%5D", "%5b1m%5d", "%5B1m%5d", "[1m]"] {
            let before = upstream.requests().len();
            upstream.answer_models_next(Answer::json(200, json!({ "id": "claude-haiku-5-5" })));
            let rest = format!("/claude-haiku-5-5{ending}");
            assert_eq!(models(&service, &rest).await.status, 200, "{ending}");
            let targets: Vec<_> = upstream.requests().split_off(before).into_iter().map(|one| one.target).collect();
            assert_eq!(targets, [format!("/v1/models{rest}")]);
        }
    }
    let (service, before) = (restricted(&upstream), upstream.requests().len());
    let unknown = models(&service, "/claude-opus-5-5%5B1m%5D").await;
    let message = unknown.json()["error"]["message"].clone();
    assert_eq!((unknown.status, message), (404, json!("model: claude-opus-5-5[1m]")));
    assert_eq!(upstream.requests().len(), before);
}

#[tokio::test]
async fn a58_a_list_that_cannot_be_read_is_not_shown_to_a_restricted_device() {
    let upstream = Upstream::start();
    let (service, open) = (restricted(&upstream), TestService::before(&upstream));
    for unreadable in [
        Answer::json(200, json!([{ "id": "claude-opus-5-5" }])),
        Answer::whole(200, "application/json", br#"{"data":[{"id":"claude-haiku-5-5"}],"data":[]}"#.to_vec()),
        Answer::whole(200, "text/html", b"<html>claude-opus-5-5</html>".to_vec()),
        list(r#"{"id":"claude-opus-5-5"}"#, r#""has_more":false"#).gzip(),
    ] {
        upstream.answer_models_next(unreadable.clone());
        let answer = models(&service, "?a=1").await;
        assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_invalid"), "{}", answer.text());
        upstream.answer_models_next(unreadable);
        assert_eq!(models(&open, "").await.status, 200, "others get what came");
        service.clock.advance(AGES);
        open.clock.advance(AGES);
    }
    upstream.answer_models_next(Answer::error(529, "overloaded_error", "busy"));
    let busy = models(&service, "?a=1").await;
    assert_eq!((busy.status, &busy.json()["error"]["message"]), (529, &json!("busy")));
}

#[tokio::test]
async fn a_device_of_all_models_gets_the_upstreams_answer_byte_for_byte_whatever_features_it_may_use() {
    let body =
        "{ \"data\" : [ {\"id\":\"claude-opus-5-5\"} ,{\"id\":7}],\n\"of_the_future\":[1.0],\"has_more\":true }\n";
    for features in ["", "server_tools=none,fast_mode=off,max_tokens=8"] {
        let upstream = Upstream::start();
        let service = TestService::before_with(&upstream, |flags| flags.set("DEVICE_FEATURES", features));
        for _ in 0..2 {
            let answer = Answer::whole(200, "application/json", body.as_bytes().to_vec());
            upstream.answer_models_next(answer.header("x-new", "1"));
            let answer = models(&service, "?limit=1&x=%2F").await;
            assert_eq!((answer.status, answer.text().as_str(), answer.header("x-new")), (200, body, Some("1")));
        }
        assert_eq!(upstream.requests()[0].target, "/v1/models?limit=1&x=%2F", "{features}");
    }
}

fn restricted(upstream: &Upstream) -> TestService {
    TestService::before_with(upstream, |flags| flags.set("ALLOWED_MODELS", "claude-haiku-*,claude-sonnet-5-5"))
}

/// `GET /v1/models…` for `device-0001`, with a new token.
pub async fn models(service: &TestService, rest: &str) -> Reply {
    let token = service.token().await;
    get(&service.at(&format!("/v1/models{rest}")), &[("x-api-key", &token), ("anthropic-version", "2023-06-01")]).await
}

/// A page of the upstream's list.
pub fn list(entries: &str, rest: &str) -> Answer {
    Answer::whole(200, "application/json", format!(r#"{{"data":[{entries}],{rest}}}"#).into_bytes())
}

pub fn ids(page: &Reply) -> Vec<String> {
    let id = |model: &Value| model["id"].as_str().unwrap().to_owned();
    page.json()["data"].as_array().unwrap().iter().map(id).collect()
}

/// After this no copy is served.
const AGES: std::time::Duration = std::time::Duration::from_secs(2 * 24 * 3600);
