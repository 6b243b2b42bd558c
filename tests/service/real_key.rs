//! Secrets in files of their own: the real key, the admin token and enrolment tokens change while the service runs.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use valetkey::service::config::Flags;

use crate::process::{Process, run, run_whole, token as token_of};
use testkit::http::{Answer as Received, get, post};
use testkit::legs::Leg;
use testkit::service::{ADMIN_TOKEN, REAL_KEY, TestService, metrics};
use testkit::temporary::TemporaryFile;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f90_a_key_that_changes_in_its_file_fails_no_request_and_the_old_one_is_not_sent_again() {
    for leg in Leg::ALL {
        let (upstream, file) = (leg.upstream(), TemporaryFile::with(format!("{REAL_KEY}\n").as_bytes()));
        let service = TestService::before_with(&upstream, |flags| by_file(flags, "ANTHROPIC_API_KEY", file.path()));
        let token = service.token().await;
        let gate = Gate::new();
        upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
        let mut open = service.open(&token, BODY).await;
        assert!(open.chunk().await.unwrap().is_some(), "{leg:?}");
        std::fs::write(file.path(), format!("{NEW_KEY}\n")).unwrap();
        // Each look is a request.
        service
            .until(async || {
                assert_eq!(service.messages(&token, BODY).await.status, 200, "{leg:?}");
                sent_keys(&upstream).last().is_some_and(|key| key == NEW_KEY)
            })
            .await;
        for _ in 0..5 {
            assert_eq!(service.messages(&token, BODY).await.status, 200, "{leg:?}");
        }
        gate.open();
        let rest = open.text().await.unwrap();
        assert!(rest.ends_with("{\"type\":\"message_stop\"}\n\n"), "{leg:?}: {rest}");
        let sent = sent_keys(&upstream);
        let first_new = sent.iter().position(|key| key == NEW_KEY).unwrap();
        assert!(sent[..first_new].iter().all(|key| key == REAL_KEY) && first_new > 0, "{leg:?}: {sent:?}");
        assert!(sent[first_new..].iter().all(|key| key == NEW_KEY), "{leg:?}: {sent:?}");
    }
}

#[tokio::test]
async fn a63_both_keys_are_masked_in_the_answer_to_a_request_that_went_up_with_the_old_one() {
    for leg in Leg::ALL {
        let (upstream, file) = (leg.upstream(), TemporaryFile::with(REAL_KEY.as_bytes()));
        let service = TestService::before_with(&upstream, |flags| by_file(flags, "ANTHROPIC_API_KEY", file.path()));
        let token = service.token().await;
        let gate = Gate::new();
        let text = format!("no {REAL_KEY}, no {NEW_KEY}");
        let echo = || Answer::whole(400, "text/plain", text.clone().into_bytes()).header("x-echo", REAL_KEY);
        upstream.answer_next(echo().hold_before_head(gate.clone()));
        let held = service.messages(&token, BODY);
        let change = async {
            upstream.wait_for_requests(1).await;
            std::fs::write(file.path(), NEW_KEY).unwrap();
            service.until(async || reloads(&service, "taken").await == 1).await;
            gate.open();
        };
        let (held, ()) = tokio::join!(held, change);
        upstream.answer_next(echo().in_pieces(5));
        let later = service.messages(&token, BODY).await;
        for answer in [held, later] {
            let masked = text.replace(REAL_KEY, &"*".repeat(REAL_KEY.len()));
            let masked = masked.replace(NEW_KEY, &"*".repeat(NEW_KEY.len()));
            assert_eq!((answer.status, answer.text(), answer.header("x-echo")), (400, masked, None), "{leg:?}");
        }
    }
}

#[tokio::test]
async fn f89_a_key_file_that_cannot_be_used_leaves_the_key_in_use_and_is_told() {
    let (upstream, file) = (Upstream::start(), TemporaryFile::with(REAL_KEY.as_bytes()));
    let service = TestService::before_with(&upstream, |flags| by_file(flags, "ANTHROPIC_API_KEY", file.path()));
    let token = service.token().await;
    for (number, bad) in (1..).zip(["", "sk-ant canary", "sk-ant-canary\nsk-ant-canary"]) {
        std::fs::write(file.path(), bad).unwrap();
        service.until(async || reloads(&service, "refused").await == number).await;
        assert_eq!(service.messages(&token, BODY).await.status, 200);
        assert!(metrics(&service).await.contains("\nvaletkey_config_refused 1\n"), "{bad:?}");
    }
    assert!(sent_keys(&upstream).iter().all(|key| key == REAL_KEY));
    std::fs::write(file.path(), NEW_KEY).unwrap();
    service.until(async || reloads(&service, "taken").await == 1).await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    assert_eq!(sent_keys(&upstream).last().map(String::as_str), Some(NEW_KEY));
}

#[tokio::test]
async fn f92_a_new_key_is_tried_at_once_and_a_refused_one_is_an_alarm_before_a_request_meets_it() {
    let (upstream, file) = (Upstream::start(), TemporaryFile::with(REAL_KEY.as_bytes()));
    let service = TestService::before_with(&upstream, |flags| by_file(flags, "ANTHROPIC_API_KEY", file.path()));
    let probes = async |outcome: &str, count: u32| {
        let series = format!("\nvaletkey_key_probes_total{{outcome=\"{outcome}\"}} {count}\n");
        service.until(async || metrics(&service).await.contains(&series)).await;
    };
    std::fs::write(file.path(), NEW_KEY).unwrap();
    probes("accepted", 1).await;
    upstream.answer_key_probes(Answer::error(401, "authentication_error", "no"));
    std::fs::write(file.path(), REAL_KEY).unwrap();
    probes("refused", 1).await;
    let asked: Vec<_> = upstream.requests().iter().filter_map(|probe| probe.header("x-api-key").map(key)).collect();
    assert_eq!(asked, [NEW_KEY, REAL_KEY], "each by the probe alone");
}

#[tokio::test]
async fn a19_the_old_admin_token_is_refused_as_soon_as_its_file_has_another() {
    let (upstream, file) = (Upstream::start(), TemporaryFile::with(ADMIN_TOKEN.as_bytes()));
    let service = TestService::before_with(&upstream, |flags| by_file(flags, "ADMIN_TOKEN", file.path()));
    assert_eq!(shown_to(&service, ADMIN_TOKEN).await.status, 200);
    std::fs::write(file.path(), NEW_ADMIN_TOKEN).unwrap();
    service.until(async || shown_to(&service, NEW_ADMIN_TOKEN).await.status == 200).await;
    assert_eq!(shown_to(&service, ADMIN_TOKEN).await.status, 401);
    let shown = shown_to(&service, NEW_ADMIN_TOKEN).await.json();
    assert_eq!((&shown["ADMIN_TOKEN"], shown["ADMIN_TOKEN_FILE"].is_string()), (&json!("set"), true));
}

#[tokio::test]
async fn an_old_enrolment_token_is_refused_as_soon_as_its_file_has_others() {
    let (upstream, file) =
        (Upstream::start(), TemporaryFile::with(b"the-first-fleet-of-apps\nthe-second-fleet-of-apps"));
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("BOOTSTRAP_MODE", "enrolment");
        by_file(flags, "ENROLMENT_TOKENS", file.path());
    });
    let enrol = async |token: &str| {
        let body = json!({ "device_id": "device-0001", "enrolment": token }).to_string();
        post(&service.at("/bootstrap"), &[], body).await.status
    };
    assert_eq!((enrol("the-first-fleet-of-apps").await, enrol("the-second-fleet-of-apps").await), (200, 200));
    std::fs::write(file.path(), "the-second-fleet-of-apps\nthe-third-fleet-of-apps\n").unwrap();
    service.until(async || enrol("the-third-fleet-of-apps").await == 200).await;
    assert_ne!(enrol("the-first-fleet-of-apps").await, 200);
    assert_eq!(enrol("the-second-fleet-of-apps").await, 200);
}

#[tokio::test]
async fn a41_credentials_of_systemd_are_read_and_no_key_is_in_the_log() {
    let (upstream, folder) = (Upstream::start(), TempDir::new().unwrap());
    let path = folder.path().join("anthropic_api_key");
    std::fs::write(&path, format!("{REAL_KEY}\n")).unwrap();
    let settings = [("ANTHROPIC_API_KEY", ""), ("CREDENTIALS_DIRECTORY", folder.path().to_str().unwrap())];
    let service = Process::start(&upstream.url(), &settings);
    let token = token_of(&service.url).await;
    let ask = async || post(&format!("{}/v1/messages", service.url), &[("x-api-key", &token)], BODY).await.status;
    assert_eq!(ask().await, 200);
    std::fs::write(&path, format!("{NEW_KEY}\n")).unwrap();
    service.logged("The real key was replaced by one that is read from ", 1).await;
    service.logged("Configuration reloaded: ANTHROPIC_API_KEY", 1).await;
    assert_eq!(ask().await, 200);
    std::fs::write(&path, "canary canary").unwrap();
    service.logged("ANTHROPIC_API_KEY: holds a character that cannot stand in a header", 1).await;
    assert_eq!(ask().await, 200);
    let sent = sent_keys(&upstream);
    assert_eq!(sent, [REAL_KEY, NEW_KEY, NEW_KEY]);
    let log = service.log();
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn check_reads_the_files_of_secrets_and_names_what_is_wrong() {
    let (good, empty) = (TemporaryFile::with(REAL_KEY.as_bytes()), TemporaryFile::with(b"\n"));
    let [good, empty] = [&good, &empty].map(|file| file.path().display().to_string());
    let (code, shown, errors) = run_whole(&["check"], &[("ANTHROPIC_API_KEY_FILE", &good), DEAD]);
    assert_eq!(code, Some(0), "{errors}");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((&shown["ANTHROPIC_API_KEY"], &shown["ANTHROPIC_API_KEY_FILE"]), (&json!("set"), &json!(good)));
    assert!(!format!("{shown}{errors}").contains("canary"), "{shown} {errors}");
    let settings =
        [("ANTHROPIC_API_KEY_FILE", empty.as_str()), ("ADMIN_TOKEN", "x"), ("ADMIN_TOKEN_FILE", &good), DEAD];
    for command in ["check", "serve"] {
        let (code, errors) = run(&[command], &settings);
        assert_eq!(code, Some(64), "{errors}");
        let expected = format!(
            "valetkey: ANTHROPIC_API_KEY_FILE: {empty} is empty\n\
             valetkey: ADMIN_TOKEN_FILE: is set beside ADMIN_TOKEN; keep one of them\n"
        );
        assert_eq!(errors, expected, "{command}");
    }
}

#[test]
fn doctor_says_from_where_the_key_is() {
    let (upstream, file) = (Upstream::start(), TemporaryFile::with(REAL_KEY.as_bytes()));
    let path = file.path().display().to_string();
    let (url, setting) = (upstream.url(), ("ANTHROPIC_API_KEY_FILE", path.as_str()));
    let (_, report, errors) = run_whole(&["doctor"], &[("ANTHROPIC_BASE_URL", &url), setting]);
    assert!(report.contains(&format!("accepted for messages, read from {path}")), "{report} {errors}");
}

fn by_file(flags: &mut Flags, name: &str, path: &Path) {
    flags.set(name, "");
    flags.set(&format!("{name}_FILE"), path.display().to_string());
}

/// The keys of the requests for messages, in their order, without those of the service's own probes.
fn sent_keys(upstream: &Upstream) -> Vec<String> {
    let requests = upstream.requests();
    let asked = requests.iter().filter(|request| !request.is_key_probe());
    asked.map(|request| request.header("x-api-key").map(key).expect("each has a key")).collect()
}

fn key(text: &str) -> String {
    text.to_owned()
}

/// How many reloads had this outcome.
async fn reloads(service: &TestService, outcome: &str) -> u64 {
    let page = metrics(service).await;
    let series = format!("valetkey_config_reloads_total{{outcome=\"{outcome}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&series)).and_then(|count| count.parse().ok()).expect("a count")
}

/// The settings, asked for with this admin token.
async fn shown_to(service: &TestService, token: &str) -> Received {
    get(&format!("{}/admin/config", service.admin_url()), &[("authorization", &format!("Bearer {token}"))]).await
}

const NEW_KEY: &str = "sk-ant-api03-canary-second-key";
const NEW_ADMIN_TOKEN: &str = "another-admin-token-Zq8vX2mB7kLw4nRt9yHc3jFs";
/// Nobody listens there, and nobody is asked.
const DEAD: (&str, &str) = ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9");
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
