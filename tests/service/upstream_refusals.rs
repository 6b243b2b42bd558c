//! What the upstream refuses. A 401 is the service's fault. A 403 may be the request's, so the client gets it, and only
//! the service's own probe of its key raises an alarm.

use testkit::http::{Answer as Received, get, post};
use testkit::legs::Leg;
use testkit::service::intake::Intake;
use testkit::service::{REAL_KEY, TestService, metrics};
use testkit::upstream::{Answer, Options, Upstream};
use valetkey::service::meter::usage::Ended;

use crate::sentry::{CLOSE_LIMIT, events, reporting, reports};

#[tokio::test]
async fn f65_a_403_of_the_upstream_passes_byte_for_byte() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        for body in REFUSALS {
            for path in ["/v1/messages", "/v1/messages/count_tokens"] {
                upstream.answer_next(refusal(body));
                let answer = ask(&service, &token, path, MESSAGE).await;
                assert_passed(&answer, body);
            }
        }
        let records = service.usage.wait_for(2 * REFUSALS.len()).await;
        assert!(records.iter().all(|record| (record.ended, record.status) == (Ended::Error, Some(403))), "{leg:?}");
    }
}

#[tokio::test]
async fn f65_a_403_about_batches_and_files_passes_byte_for_byte() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("BATCHES_AND_FILES", "on"));
    let token = service.token().await;
    let made = ask(&service, &token, "/v1/messages/batches", BATCH).await.json();
    let cancel = format!("/v1/messages/batches/{}/cancel", made["id"].as_str().unwrap());
    for (path, body) in [("/v1/messages/batches", BATCH), ("/v1/files", "a file"), (cancel.as_str(), "")] {
        upstream.answer_next(refusal(REFUSALS[0]));
        assert_passed(&ask(&service, &token, path, body).await, REFUSALS[0]);
    }
}

#[tokio::test]
async fn f65_a_key_for_messages_alone_serves_messages_and_its_403s_elsewhere_pass() {
    let upstream = Upstream::start_with(Options { messages_only: true, ..Options::default() });
    let service = TestService::before_with(&upstream, |flags| flags.set("BATCHES_AND_FILES", "on"));
    let token = service.token().await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    for answer in [
        get(&service.at("/v1/models"), &headers).await,
        get(&service.at("/v1/models/claude-opus-5-5"), &headers).await,
        ask(&service, &token, "/v1/messages/batches", BATCH).await,
        ask(&service, &token, "/v1/files", "a file").await,
    ] {
        let said = answer.json();
        assert_eq!((answer.status, &said["error"]["message"]), (403, &"api_key_scope_missing".into()));
        assert_eq!(
            (said["request_id"].as_str(), answer.header("x-valetkey-error")),
            (answer.header("request-id"), None)
        );
    }
    assert_eq!(ask(&service, &token, "/v1/messages", MESSAGE).await.status, 200);
    probed(&service, "accepted").await;
}

#[tokio::test]
async fn a57_one_device_that_makes_403s_raises_no_alarm() {
    let (upstream, sentry) = (Upstream::start(), Intake::start());
    let reports = reports(&sentry);
    let service = reporting(&upstream, &reports);
    let token = service.token().await;
    upstream.answer_always(refusal(REFUSALS[0]));
    for _ in 0..20 {
        assert_eq!(service.messages(&token, MESSAGE).await.status, 403);
    }
    probed(&service, "accepted").await;
    for _ in 0..20 {
        assert_eq!(service.messages(&token, MESSAGE).await.status, 403, "the circuit stays closed");
    }
    assert_eq!(upstream.key_probes(), 1, "one in a minute");
    let page = metrics(&service).await;
    for series in ["key_probes_total{outcome=\"refused\"}", "refusals_total{code=\"upstream_credential\"}"] {
        assert!(page.contains(&format!("\nvaletkey_{series} 0\n")), "{series}: {page}");
    }
    service.stop();
    reports.close(CLOSE_LIMIT);
    assert_eq!(sentry.posts().len(), 0, "{:?}", events(&sentry));
}

#[tokio::test]
async fn a57_the_probe_costs_nothing_and_has_the_key_alone() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        upstream.answer_next(refusal(REFUSALS[1]));
        assert_eq!(service.messages(&service.token().await, MESSAGE).await.status, 403);
        probed(&service, "accepted").await;
        let all = upstream.requests();
        let probe = all.iter().find(|request| request.is_key_probe()).unwrap();
        assert_eq!((probe.method.as_str(), probe.target.as_str()), ("POST", "/v1/messages"), "{leg:?}");
        assert_eq!(probe.body, b"{}", "a body that no model answers");
        assert_eq!((probe.header("x-api-key"), probe.header("authorization")), (Some(REAL_KEY), None));
        assert_eq!(service.usage.wait_for(1).await.len(), 1, "the probe is nobody's usage");
    }
}

#[tokio::test]
async fn f65_a_key_that_the_probe_finds_refused_is_an_alarm() {
    for status in [401, 403] {
        let (upstream, sentry) = (Upstream::start(), Intake::start());
        let reports = reports(&sentry);
        let service = reporting(&upstream, &reports);
        let token = service.token().await;
        upstream.answer_always(refusal(REFUSALS[1]));
        upstream.answer_key_probes(Answer::error(status, "permission_error", &format!("no {REAL_KEY}")));
        for _ in 0..5 {
            assert_eq!(service.messages(&token, MESSAGE).await.status, 403, "clients get the upstream's own words");
        }
        probed(&service, "refused").await;
        service.stop();
        reports.close(CLOSE_LIMIT);
        let events = events(&sentry);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0]["message"], format!("The upstream answers {status} to a probe of the key"));
        assert_eq!(events[0]["tags"]["error_code"], "upstream_credential");
        assert!(!sentry.posts()[0].text().contains("canary"));
    }
}

#[tokio::test]
async fn a57_a_probe_whose_answer_says_nothing_of_the_key_is_no_alarm() {
    for silent in
        [Answer::error(529, "overloaded_error", "no"), Answer::error(429, "rate_limit_error", "no"), Answer::html(503)]
    {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        upstream.answer_next(refusal(REFUSALS[0]));
        upstream.answer_key_probes(silent);
        assert_eq!(service.messages(&service.token().await, MESSAGE).await.status, 403);
        probed(&service, "unknown").await;
        assert!(metrics(&service).await.contains("\nvaletkey_key_probes_total{outcome=\"refused\"} 0\n"));
    }
}

/// Waits for the one probe and what it has shown.
async fn probed(service: &TestService, outcome: &str) {
    let series = format!("\nvaletkey_key_probes_total{{outcome=\"{outcome}\"}} 1\n");
    service.until(async || metrics(service).await.contains(&series)).await;
}

async fn ask(service: &TestService, token: &str, path: &str, body: &str) -> Received {
    post(&service.at(path), &[("authorization", &format!("Bearer {token}"))], body).await
}

fn refusal(body: &str) -> Answer {
    let answer = Answer::whole(403, "application/json", body.as_bytes().to_vec());
    answer.header("request-id", "req_1").header("x-should-retry", "false").header("retry-after", "7")
}

fn assert_passed(answer: &Received, body: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (403, body));
    assert_eq!((answer.header("request-id"), answer.header("retry-after")), (Some("req_1"), Some("7")));
    assert_eq!((answer.header("x-should-retry"), answer.header("x-valetkey-error")), (Some("false"), None));
}

/// A refusal for the profile that is to pay, one for a right that the key lacks, and the page of a firewall.
const REFUSALS: [&str; 3] = [
    r#"{ "type":"error","error":{"type":"invalid_request_error","message":"no","details":{"error_code":"user_profile_not_billable"} }}"#,
    r#"{ "type":"error","error":{"type":"permission_error","message":"no such model for this key"}, "request_id":null}"#,
    "<html><h1>403</h1></html>",
];

const MESSAGE: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
const BATCH: &str = r#"{"requests":[{"custom_id":"a","params":{"model":"stand-in-slow","messages":[]}}]}"#;
