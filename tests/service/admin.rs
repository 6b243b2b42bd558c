//! The admin listener: who may, and what devices and the audit trail look like there.

use serde_json::json;
use valetkey::service::config::settings;

use testkit::http::{self, get, request};
use testkit::service::{ADMIN_TOKEN, REAL_KEY, TestService};
use testkit::upstream::Upstream;

#[tokio::test]
async fn a19_without_the_admin_token_there_is_nothing_to_see_or_to_do() {
    let (_upstream, service) = pair();
    let device = format!("Bearer {}", service.token().await);
    let (empty, doubled) = ("Bearer ".to_owned(), format!("Bearer {ADMIN_TOKEN}{ADMIN_TOKEN}"));
    for (method, path) in [("GET", "/admin/devices"), ("DELETE", "/admin/devices/device-0001"), ("OPTIONS", "/admin")] {
        let url = format!("{}{path}", service.admin_url());
        let answer = request(method, &url, &[]).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (401, Some("unauthorized")));
    }
    for wrong in [&device, &empty, &device, &empty, &doubled] {
        let answer = get(&format!("{}/admin/devices", service.admin_url()), &[("authorization", wrong)]).await;
        assert_eq!(answer.status, 401);
    }
    let locked = get(&format!("{}/admin/devices", service.admin_url()), &[("authorization", &doubled)]).await;
    assert_eq!((locked.status, locked.header("retry-after").is_some()), (429, true), "too many guesses");
    let right = service.admin("GET", "/admin/devices", None).await;
    assert_eq!(right.status, 200, "and nobody can lock the right token out");
}

#[tokio::test]
async fn a19_the_clients_listener_has_no_admin_routes() {
    let (_upstream, service) = pair();
    for path in ["/admin/devices", "/admin", "/metrics"] {
        let answer = get(&service.at(path), &[("authorization", &format!("Bearer {ADMIN_TOKEN}"))]).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_is_said_of_a_device_is_in_force_at_once() {
    let (upstream, service) = pair();
    let token = used(&service).await;
    let change = json!({ "org": "acme", "user": "ada", "models": ["claude-haiku-*"], "limits": { "requests": 5 } });
    let changed = service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let device = changed.json();
    assert_eq!((&device["org"], &device["models"]), (&json!("acme"), &json!(["claude-haiku-*"])));
    assert_eq!(
        device["limits"],
        json!({ "requests": 5, "window_ms": null, "tokens_per_minute": null, "concurrent": null })
    );
    for (search, found) in [("acm", 1), ("ad", 1), ("device-", 1), ("nobody", 0)] {
        let list = service.admin("GET", &format!("/admin/devices?search={search}"), None).await.json();
        assert_eq!(list["items"].as_array().unwrap().len(), found, "{search}");
    }
    assert_eq!(service.messages(&token, BODY).await.error_code(), "model_not_allowed");
    let allowed = service.messages(&token, r#"{"model":"claude-haiku-4-5","messages":[]}"#).await;
    assert_eq!(allowed.status, 200);
    let record = service.usage.wait_for(2).await.pop().unwrap();
    assert_eq!((record.org.as_deref(), record.user.as_deref()), (Some("acme"), Some("ada")));
    let back = json!({ "org": null, "models": null, "limits": null });
    let device = service.admin("PATCH", "/admin/devices/device-0001", Some(back)).await.json();
    assert_eq!((&device["models"], &device["user"]), (&json!(null), &json!("ada")), "what is not named stays");
    let again = service.messages(&token, BODY).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn a_state_is_a_revocation_and_active_takes_it_back() {
    let (_upstream, service) = pair();
    let token = used(&service).await;
    for (state, status) in [("revoked", 401), ("active", 200)] {
        let answer = service.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "state": state }))).await;
        assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some(state)));
        assert_eq!(service.messages(&token, BODY).await.status, status, "{state}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name_and_changes_nothing() {
    let (_upstream, service) = pair();
    used(&service).await;
    for (method, path, body, named) in [
        ("PATCH", "/admin/devices/device-0001", json!({ "state": "gone" }), "`state`"),
        ("PATCH", "/admin/devices/device-0001", json!({ "limits": { "windows": 1 } }), "windows"),
        ("PATCH", "/admin/devices/device-0001", json!({ "limits": { "window_ms": 0 } }), "window_ms"),
        ("PATCH", "/admin/devices/device-0001", json!({ "limits": { "window_ms": u64::MAX } }), "window_ms"),
        ("PATCH", "/admin/devices/device-0001", json!({ "limits": { "tokens_per_minute": u64::MAX } }), "tokens_per"),
        ("PATCH", "/admin/devices/device-0001", json!({ "org": "" }), "`org`"),
        ("PATCH", "/admin/devices/device-0001", json!([]), "sequence"),
        ("PATCH", "/admin/devices/device-0001", json!({ "limits": [0, 1, 2, 3] }), "sequence"),
        ("PATCH", "/admin/devices/device-0001", json!({ "budget": [] }), "sequence"),
        ("PATCH", "/admin/devices/device-0001", json!({ "features": [] }), "sequence"),
        ("PATCH", "/admin/devices/device-0001", json!({ "features": { "web_search": false } }), "web_search"),
        ("PATCH", "/admin/devices/device-0001", json!({ "features": { "fast_mode": "off" } }), "boolean"),
        ("PATCH", "/admin/devices/device-0001", json!({ "features": { "betas": ["a*b"] } }), "`features.betas`"),
        ("PATCH", "/admin/devices/device-0001", json!({ "features": { "max_tokens": 1_u64 << 63 } }), "is more than"),
        ("PATCH", "/admin/devices/device-0001", json!({ "features": { "service_tier": ["flex"] } }), "service tier"),
        ("PUT", "/admin/budgets/user/ada", json!([]), "sequence"),
        ("POST", "/admin/revocations", json!({}), "Exactly one"),
        ("POST", "/admin/revocations", json!({ "jti": "a", "org": "b" }), "Exactly one"),
        ("POST", "/admin/revocations", json!({ "device_id": "a b" }), "device id"),
        ("POST", "/admin/tokens", json!({ "device_id": "device-0001", "ttl_seconds": 0 }), "ttl_seconds"),
    ] {
        let answer = service.admin(method, path, Some(body.clone())).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("invalid")), "{body}");
        assert!(answer.text().contains(named), "{body}: {}", answer.text());
    }
    for path in ["/admin/devices/nobody-0001", "/admin/revocations/rev_none", "/admin/nowhere"] {
        assert_eq!(service.admin("DELETE", path, None).await.status, 404, "{path}");
    }
    assert_eq!(service.admin("POST", "/admin/devices", None).await.status, 405);
    assert_eq!(service.admin("GET", "/admin/revocations", None).await.json()["items"], json!([]));
}

#[tokio::test]
async fn what_makes_no_sense_in_a_path_or_a_query_is_refused_in_the_same_shape() {
    let (_upstream, service) = pair();
    for path in [
        "/admin/devices?limit=many",
        "/admin/devices?limit=1001",
        "/admin/devices/%ff",
        "/admin/audit?limit=1&limit=2",
        "/admin/requests?cursor=nonsense",
        "/admin/devices?cursor=NONSENSE",
        "/admin/audit?cursor=nonsense",
        "/admin/revocations?cursor=nonsense",
        "/admin/usage?from=yesterday",
    ] {
        let answer = service.admin("GET", path, None).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("invalid")), "{path}");
    }
}

#[tokio::test]
async fn a_parameter_that_the_route_does_not_know_is_refused_by_its_name() {
    let (_upstream, service) = pair();
    for (path, name) in [
        ("/admin/requests?device=device-0001", "device"),
        ("/admin/usage?limit=1", "limit"),
        ("/admin/devices?limit=1&find=a", "find"),
        ("/admin/audit?actor=ada", "actor"),
        ("/admin/revocations?kind=jti", "kind"),
        ("/admin/budgets?kind=org", "kind"),
    ] {
        let answer = service.admin("GET", path, None).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("invalid")), "{path}");
        assert!(answer.text().contains(&format!("`{name}`")), "{path}: {}", answer.text());
    }
    let all = "/admin/requests?from=2026-01-01&to=2026-01-02&device_id=device-0001&user=a&org=b&model=c&limit=1";
    assert_eq!(service.admin("GET", all, None).await.status, 200);
}

#[tokio::test]
async fn a_list_of_models_takes_no_pattern_that_would_match_nothing() {
    let (_upstream, service) = pair();
    for model in ["", "claude-*-5", "*haiku", "claude haiku"] {
        let answer = service.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "models": [model] }))).await;
        assert_eq!(answer.status, 400, "{model}");
        assert!(answer.text().contains("`models`"), "{}", answer.text());
    }
}

#[tokio::test]
async fn what_the_list_of_revocations_shows_can_be_said_again() {
    let (_upstream, service) = pair();
    for (kind, value) in [("device_tokens", "device-0001@1700000000"), ("device_id", "device-0002"), ("jti", "a-jti")] {
        let body = json!({ kind: value, "reason": "copied", "expires_at": 4_102_444_800_000_u64 });
        let answer = service.admin("POST", "/admin/revocations", Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let made = answer.json();
        assert_eq!((&made["kind"], &made["value"]), (&json!(kind), &json!(value)));
        assert_eq!(made["expires_at"], json!(4_102_444_800_000_u64), "{made}");
    }
    for (body, named) in [
        (json!({ "device_tokens": "device-0001" }), "`device_tokens`"),
        (json!({ "device_tokens": "device-0001@soon" }), "`device_tokens`"),
        (json!({ "device_tokens": "device-0001@99999999999" }), "`device_tokens`"),
        (json!({ "user": "ada", "expires_at": 1 }), "`expires_at`"),
    ] {
        let answer = service.admin("POST", "/admin/revocations", Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text().contains(named), "{body}: {}", answer.text());
    }
}

#[tokio::test]
async fn names_are_measured_in_characters() {
    let (_upstream, service) = pair();
    used(&service).await;
    for (length, status) in [(200, 200), (201, 400)] {
        let change = json!({ "org": "é".repeat(length) });
        assert_eq!(service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await.status, status);
    }
}

#[tokio::test]
async fn a19_every_attempt_to_change_something_is_in_the_audit_trail() {
    let (_upstream, service) = pair();
    used(&service).await;
    service.admin("PATCH", "/admin/devices/device-0001", Some(json!({ "org": "acme" }))).await;
    service.admin("DELETE", "/admin/devices/nobody-0001", None).await;
    service.admin("POST", "/admin/tokens/inspect", Some(json!({ "token": "sk-ant-proxy-canary" }))).await;
    let trail = service.admin("GET", "/admin/audit", None).await;
    let items = trail.json()["items"].as_array().unwrap().clone();
    let seen: Vec<_> = items.iter().map(|item| (item["action"].as_str(), item["outcome"].as_str())).collect();
    assert_eq!(seen, [(Some("POST"), Some("done")), (Some("DELETE"), Some("refused")), (Some("PATCH"), Some("done"))]);
    assert_eq!(items[2]["detail"], json!({ "org": "acme" }));
    assert_eq!(items[2]["target"], "/admin/devices/device-0001");
    assert!(!trail.text().contains("canary"), "no token is kept: {}", trail.text());
}

#[tokio::test]
async fn a41_neither_settings_nor_metrics_nor_the_document_hold_a_secret() {
    let (_upstream, service) = pair();
    let token = used(&service).await;
    service.messages("sk-ant-proxy-nonsense", BODY).await;
    let config = service.admin("GET", "/admin/config", None).await;
    assert_eq!(config.json()["ANTHROPIC_API_KEY"], "set");
    let metrics = get(&format!("{}/metrics", service.admin_url()), &[]).await;
    assert!(
        metrics
            .text()
            .contains("valetkey_requests_total{route=\"POST /v1/messages\",status=\"2xx\",ended=\"complete\"} 1")
    );
    assert!(metrics.text().contains("valetkey_refusals_total{code=\"token_invalid\"} 1"), "{}", metrics.text());
    let document = service.admin("GET", "/admin/openapi.json", None).await;
    assert_eq!(document.json()["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    for answer in [config, metrics, document] {
        for secret in [REAL_KEY, ADMIN_TOKEN, "0123456789abcdef0123456789abcdef", token.as_str()] {
            assert!(!answer.text().contains(secret), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn every_setting_is_shown_in_the_order_of_the_help() {
    let (_upstream, service) = pair();
    let answer = service.admin("GET", "/admin/config", None).await;
    let page = answer.text();
    let places: Vec<_> = settings::ALL.iter().map(|setting| page.find(&format!("\"{}\":", setting.name))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{page}");
    assert_eq!(answer.json().as_object().map(serde_json::Map::len), Some(settings::ALL.len()));
}

#[tokio::test]
async fn without_an_admin_token_in_the_settings_the_admin_api_is_off() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("ADMIN_TOKEN", ""));
    let answer = service.admin("GET", "/admin/devices", None).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (404, Some("off")));
    let metrics = http::get(&format!("{}/metrics", service.admin_url()), &[]).await;
    assert_eq!(metrics.status, 200);
}

/// A device that the database knows; its token.
async fn used(service: &TestService) -> String {
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    service.until(async || service.admin("GET", "/admin/devices/device-0001", None).await.status == 200).await;
    token
}

fn pair() -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    (upstream, service)
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
