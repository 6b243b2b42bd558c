//! The admin listener against those who have no business there (A19).

use serde_json::json;

use crate::process::run;
use testkit::http::wire::Wire;
use testkit::http::{Answer, request};
use testkit::service::{ADMIN_TOKEN, REAL_KEY, TestService};
use testkit::upstream::Upstream;

#[tokio::test]
async fn a19_no_route_answers_without_the_token_by_whatever_method() {
    let (_upstream, service) = pair();
    for path in ROUTES {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let url = format!("{}{path}", service.admin_url());
            let answer = request(method, &url, &[]).await;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{method} {path}");
            assert!(!answer.text().contains("device"), "{method} {path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a19_a_look_changes_nothing_whatever_it_says_it_is() {
    let (_upstream, service) = pair();
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    service.until(async || service.admin("GET", DEVICE, None).await.status == 200).await;
    let (url, bearer) = (format!("{}{DEVICE}", service.admin_url()), format!("Bearer {ADMIN_TOKEN}"));
    let lines = [
        ("authorization", bearer.as_str()),
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-original-method", "DELETE"),
    ];
    for url in [url.clone(), format!("{url}?_method=DELETE"), format!("{url}?method=delete")] {
        for method in ["GET", "HEAD"] {
            assert_eq!(request(method, &url, &lines).await.status, 200, "{method} {url}");
        }
        assert_eq!(request("OPTIONS", &url, &lines).await.status, 405, "{url}");
        assert_eq!(request("TRACE", &url, &lines).await.status, 405, "{url}");
    }
    assert_eq!(service.admin("GET", DEVICE, None).await.status, 200, "it is still there");
    let trail = service.admin("GET", "/admin/audit", None).await.json();
    let deleted = trail["items"].as_array().unwrap().iter().any(|item| item["action"] == "DELETE");
    assert!(!deleted, "{trail}");
}

#[tokio::test]
async fn a19_only_the_one_token_in_the_one_place_opens() {
    let (_upstream, service) = pair();
    let device = service.token().await;
    let (head, tail) = ADMIN_TOKEN.split_at(ADMIN_TOKEN.len() - 1);
    let guesses = [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        "Bearer null".into(),
        "Bearer undefined".into(),
        "Bearer admin".into(),
        format!("Bearer {device}"),
        format!("Bearer {}", device.trim_start_matches("sk-ant-proxy-")),
        format!("Bearer {REAL_KEY}"),
        format!("Bearer {head}"),
        format!("Bearer {ADMIN_TOKEN}{tail}"),
        format!("Bearer {}", ADMIN_TOKEN.to_ascii_uppercase()),
        format!("Bearer  {ADMIN_TOKEN}"),
        format!("Bearer {ADMIN_TOKEN}, Bearer {ADMIN_TOKEN}"),
        format!("Basic {ADMIN_TOKEN}"),
        format!("Token {ADMIN_TOKEN}"),
        ADMIN_TOKEN.into(),
    ];
    for guess in &guesses {
        let answer = ask(&service, &[("authorization", guess)]).await;
        // After five of them the door is shut for this address; it makes no difference to what they are worth.
        assert!(matches!(answer.status, 401 | 429), "{guess:?}: {}", answer.text());
    }
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    for lines in [
        vec![("x-api-key", ADMIN_TOKEN)],
        vec![("cookie", ADMIN_TOKEN)],
        vec![("proxy-authorization", bearer.as_str())],
        vec![("x-admin-token", ADMIN_TOKEN)],
        vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())],
    ] {
        assert!(matches!(ask(&service, &lines).await.status, 401 | 429), "{lines:?}");
    }
    let query = format!("{}/admin/devices?token={ADMIN_TOKEN}&access_token={ADMIN_TOKEN}", service.admin_url());
    assert!(matches!(request("GET", &query, &[]).await.status, 401 | 429));
    assert_eq!(ask(&service, &[("authorization", &bearer)]).await.status, 200, "the right one opens all the same");
}

#[tokio::test]
async fn a19_a_flood_of_guesses_is_locked_out_and_told_when_to_come_back() {
    let (_upstream, service) = pair();
    let mut statuses = Vec::new();
    for number in 0..100 {
        let answer = ask(&service, &[("authorization", &format!("Bearer guess-{number}"))]).await;
        if answer.status == 429 {
            let seconds: u64 = answer.header("retry-after").expect("when to try again").parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds}");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..5], [401; 5]);
    assert!(statuses[5..].iter().all(|status| *status == 429), "{statuses:?}");
    // No request got as far as the audit trail.
    let trail = service.admin("GET", "/admin/audit", None).await.json();
    assert_eq!(trail["items"], json!([]));
}

#[tokio::test]
async fn a19_odd_spellings_of_a_path_do_not_get_around_the_token() {
    let (_upstream, service) = pair();
    for path in [
        "//admin/devices",
        "/admin//devices",
        "/./admin/devices",
        "/metrics/../admin/devices",
        "/metrics/..;/admin/devices",
        "/%61dmin/devices",
        "/admin%2fdevices",
        "/ADMIN/devices",
        "/admin/devices/",
        "/admin/devices;x=/metrics",
        "/admin/devices%00",
        "http://metrics/admin/devices",
    ] {
        let mut wire = Wire::connect(service.admin_url()).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await;
        let came = String::from_utf8_lossy(&wire.rest().await.0).into_owned();
        assert!(["401", "404", "400"].contains(&&came[9..12]), "{path}: {came}");
        assert!(!came.contains("\"items\""), "{path}: {came}");
    }
}

#[tokio::test]
async fn a19_the_token_of_administrators_is_nothing_on_the_clients_listener() {
    let (upstream, service) = pair();
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    for path in ROUTES.iter().chain(&["/metrics", "/admin/metrics"]) {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let answer = request(method, &service.at(path), &[("authorization", &bearer)]).await;
            assert_eq!((answer.status, answer.error_code().as_str()), (404, "route_unknown"), "{method} {path}");
        }
    }
    assert_eq!(service.messages(ADMIN_TOKEN, BODY).await.status, 401);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a19_a_default_or_a_guessable_admin_token_ends_the_start() {
    for weak in
        ["admin", "change-me-change-me-change-me-change-me", "0123456789012345678901234567890123456789", "password"]
    {
        let settings = [("ANTHROPIC_API_KEY", REAL_KEY), ("PORT", "0"), ("ADMIN_TOKEN", weak)];
        let (code, errors) = run(&["serve"], &settings);
        assert_eq!(code, Some(64), "{weak}: {errors}");
        assert!(errors.contains("ADMIN_TOKEN: ") && !errors.contains(weak), "{errors}");
    }
    let beyond = [("ANTHROPIC_API_KEY", REAL_KEY), ("PORT", "0"), ("ADMIN_HOST", "0.0.0.0")];
    let (code, errors) = run(&["serve"], &beyond);
    assert_eq!(code, Some(64), "{errors}");
    assert!(errors.contains("ADMIN_TOKEN: is required"), "{errors}");
}

async fn ask(service: &TestService, lines: &[(&str, &str)]) -> Answer {
    request("GET", &format!("{}/admin/devices", service.admin_url()), lines).await
}

fn pair() -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    (upstream, service)
}

const DEVICE: &str = "/admin/devices/device-0001";

const ROUTES: [&str; 14] = [
    "/admin",
    "/admin/devices",
    DEVICE,
    "/admin/revocations",
    "/admin/revocations/x",
    "/admin/budgets",
    "/admin/budgets/user/x",
    "/admin/tokens",
    "/admin/tokens/inspect",
    "/admin/usage",
    "/admin/requests",
    "/admin/audit",
    "/admin/config",
    "/admin/openapi.json",
];

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
