//! What Sentry is told: panics, and errors that are the service's own fault. Never what a request said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use valetkey::service::config::{Config, Flags};
use valetkey::service::meter::usage::{UsageRecord, UsageSink};
use valetkey::service::telemetry::error_reports::ErrorReports;
use valetkey::service::telemetry::panics;

use crate::process::Process;
use testkit::http::{client, get, post};
use testkit::service::intake::{Intake, Mood};
use testkit::service::{ADMIN_TOKEN, REAL_KEY, TestService};
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn a_fault_of_the_services_own_is_reported_once_in_a_minute() {
    let (upstream, sentry) = (Upstream::start(), Intake::start());
    let reports = reports(&sentry);
    let service = reporting(&upstream, &reports);
    let token = service.token().await;
    upstream.answer_always(refused_key());
    let first = service.messages(&token, BODY).await;
    assert_eq!((first.status, first.error_code().as_str()), (502, "upstream_credential"));
    assert_eq!(service.messages(&token, BODY).await.status, 502);
    service.stop();
    reports.close(CLOSE_LIMIT);
    assert_eq!(sentry.posts()[0].path, "/api/42/envelope/");
    let events = events(&sentry);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["message"], "Answered 502 upstream_credential");
    assert_eq!(events[0]["release"], concat!("valetkey@", env!("CARGO_PKG_VERSION")));
    assert_eq!(events[0]["environment"], "test");
    let tags = &events[0]["tags"];
    for (name, value) in
        [("error_code", "upstream_credential"), ("status", "502"), ("route", "POST /v1/messages"), ("times", "1")]
    {
        assert_eq!(tags[name], value);
    }
    assert_eq!(tags["request_id"].as_str(), first.header("request-id"));
}

#[tokio::test]
async fn what_is_the_upstreams_or_a_clients_fault_is_not_reported() {
    let (upstream, sentry) = (Upstream::start(), Intake::start());
    let reports = reports(&sentry);
    let service = reporting(&upstream, &reports);
    let token = service.token().await;
    for answer in
        [Answer::error(500, "api_error", "x"), Answer::error(529, "overloaded_error", "x"), Answer::raw(b"no".to_vec())]
    {
        upstream.answer_next(answer);
        assert!(service.messages(&token, BODY).await.status >= 500);
    }
    assert_eq!(service.messages("sk-ant-proxy-nonsense", BODY).await.status, 401);
    assert_eq!(get(&service.at("/nowhere"), &[]).await.status, 404);
    service.stop();
    reports.close(CLOSE_LIMIT);
    assert_eq!(sentry.posts().len(), 0, "{:?}", events(&sentry));
}

#[tokio::test]
async fn a41_a_report_holds_nothing_that_a_request_said() {
    let (upstream, sentry) = (Upstream::start(), Intake::start());
    let reports = reports(&sentry);
    let service = reporting(&upstream, &reports);
    let token = service.token_for("device-canary").await;
    upstream.answer_next(refused_key());
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("x-private", "header-canary")];
    let body = r#"{"model":"model-canary","messages":[{"role":"user","content":"prompt-canary"}]}"#;
    assert_eq!(post(&service.at("/v1/messages?q=query-canary"), &headers, body).await.status, 502);
    service.stop();
    reports.close(CLOSE_LIMIT);
    let posts = sentry.posts();
    assert_eq!(posts.len(), 1);
    let (text, token) = (posts[0].text(), token.trim_start_matches("sk-ant-proxy-"));
    for secret in [REAL_KEY, ADMIN_TOKEN, token, "canary"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn f22_a_panic_ends_its_connection_and_is_told_without_its_message() {
    let (upstream, sentry) = (Upstream::start(), Intake::start());
    let reports = reports(&sentry);
    let (tell, usual) = (panics::hook(Some(Arc::clone(&reports))), std::panic::take_hook());
    // Other tests of this process panic as ever.
    std::panic::set_hook(Box::new(move |info| {
        tell(info);
        usual(info);
    }));
    let change = |ports: &mut valetkey::service::ServicePorts| ports.usage = Arc::new(Faulty(AtomicBool::new(true)));
    let service = TestService::start_in(&upstream.url(), |_| {}, change);
    let token = service.token().await;
    let request = client().post(service.at("/v1/messages")).bearer_auth(&token).body(BODY);
    let whole = match request.send().await {
        Ok(response) => response.bytes().await.is_ok(),
        Err(_) => false,
    };
    assert!(!whole, "its connection ends");
    assert_eq!(service.messages(&token, BODY).await.status, 200, "the worker goes on");
    service.stop();
    reports.close(CLOSE_LIMIT);
    let mut events = events(&sentry);
    events.retain(|event| event["tags"]["location"].as_str().is_some_and(|place| place.contains("sentry.rs")));
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["level"], "fatal");
    assert_eq!(events[0]["tags"]["thread"], "worker-0");
    let message = events[0]["message"].as_str().unwrap();
    assert!(message.contains("the message is withheld"), "{message}");
    assert!(!sentry.posts().iter().any(|post| post.text().contains("canary")));
}

#[tokio::test]
async fn sentry_that_hangs_costs_requests_nothing_and_does_not_hold_up_the_end() {
    let (upstream, sentry) = (Upstream::start(), Intake::start());
    sentry.answer(Mood::Hangs);
    let reports = reports(&sentry);
    let service = reporting(&upstream, &reports);
    let token = service.token().await;
    upstream.answer_next(refused_key());
    assert_eq!(service.messages(&token, BODY).await.status, 502);
    sentry.wait_for(1).await;
    for _ in 0..20 {
        assert_eq!(service.messages(&token, BODY).await.status, 200);
    }
    service.stop();
    let started = Instant::now();
    reports.close(Duration::from_millis(100));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn f19_sigterm_reports_what_is_queued() {
    let (upstream, sentry) = (Upstream::start(), Intake::start());
    upstream.answer_always(refused_key());
    let process = Process::start(&upstream.url(), &[("SENTRY_DSN", &dsn(&sentry))]);
    let answer = post(&format!("{}/bootstrap", process.url), &[], r#"{"device_id":"device-0001"}"#).await;
    let token = format!("sk-ant-proxy-{}", answer.json()["token"].as_str().unwrap());
    let headers = [("x-api-key", token.as_str())];
    assert_eq!(post(&format!("{}/v1/messages", process.url), &headers, BODY).await.status, 502);
    process.signal("TERM");
    let (status, log) = process.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(events(&sentry).len(), 1);
    assert_eq!(events(&sentry)[0]["environment"], "production");
}

/// Panics at the first record.
struct Faulty(AtomicBool);

impl UsageSink for Faulty {
    fn record(&self, record: &Arc<UsageRecord>) {
        if self.0.swap(false, Ordering::Relaxed) {
            panic!("canary: {}", record.request_id);
        }
    }
}

fn dsn(sentry: &Intake) -> String {
    format!("{}/42", sentry.url.replace("http://", "http://public@"))
}

pub fn reports(sentry: &Intake) -> Arc<ErrorReports> {
    let mut flags = Flags::of([("ANTHROPIC_API_KEY", "sk-ant-api03"), ("SENTRY_ENVIRONMENT", "test")]);
    flags.set("SENTRY_DSN", dsn(sentry));
    Arc::new(ErrorReports::start(&Config::read(&flags).unwrap().sentry.unwrap()).unwrap())
}

pub fn reporting(upstream: &Upstream, reports: &Arc<ErrorReports>) -> TestService {
    TestService::start_in(&upstream.url(), |_| {}, |ports| ports.reports = Some(Arc::clone(reports)))
}

/// The upstream says that the real key is wrong.
fn refused_key() -> Answer {
    Answer::error(401, "authentication_error", "invalid x-api-key")
}

/// The events in the envelopes that have come: the third line of each.
pub fn events(sentry: &Intake) -> Vec<Value> {
    let event = |body: &[u8]| -> Value {
        let text = std::str::from_utf8(body).unwrap();
        serde_json::from_str(text.lines().nth(2).unwrap()).unwrap()
    };
    sentry.posts().iter().map(|post| event(&post.body)).collect()
}

pub const CLOSE_LIMIT: Duration = Duration::from_secs(5);
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
