//! The real key as a command prints it, such as one of Vault's.

use std::net::TcpListener;
use std::path::Path;

use valetkey::service::config::Flags;

use crate::process::{ONE_SOCKET, Process, run, run_whole};
use testkit::service::{REAL_KEY, TestService, metrics};
use testkit::temporary::TemporaryFile;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn f91_a_command_that_fails_leaves_the_key_in_use_and_its_next_key_is_sent() {
    let (upstream, file) = (Upstream::start(), TemporaryFile::with(REAL_KEY.as_bytes()));
    let service = TestService::before_with(&upstream, |flags| {
        printed_of(flags, file.path());
        flags.set("ANTHROPIC_API_KEY_COMMAND_INTERVAL", "50");
    });
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    std::fs::remove_file(file.path()).unwrap();
    service.until(async || metrics(&service).await.contains("\nvaletkey_key_command_failed 1\n")).await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    std::fs::write(file.path(), NEW_KEY).unwrap();
    service.until(async || metrics(&service).await.contains("\nvaletkey_key_command_failed 0\n")).await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    assert_eq!(sent_keys(&upstream), [REAL_KEY, REAL_KEY, NEW_KEY]);
}

#[tokio::test]
async fn f92_a_key_that_the_upstream_refuses_is_asked_for_again() {
    let (upstream, file) = (Upstream::start(), TemporaryFile::with(REAL_KEY.as_bytes()));
    let service = TestService::before_with(&upstream, |flags| printed_of(flags, file.path()));
    let token = service.token().await;
    std::fs::write(file.path(), NEW_KEY).unwrap();
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    upstream.answer_next(Answer::error(401, "authentication_error", "invalid x-api-key"));
    assert_eq!(service.messages(&token, BODY).await.status, 502);
    service
        .until(async || {
            assert_eq!(service.messages(&token, BODY).await.status, 200);
            sent_keys(&upstream).last().is_some_and(|key| key == NEW_KEY)
        })
        .await;
    let once = "\nvaletkey_key_command_runs_total{outcome=\"done\"} 1\n";
    service.until(async || metrics(&service).await.contains(once)).await;
    for _ in 0..3 {
        upstream.answer_next(Answer::error(401, "authentication_error", "invalid x-api-key"));
        assert_eq!(service.messages(&token, BODY).await.status, 502);
    }
    assert!(metrics(&service).await.contains(once), "refusals make it run once in a minute");
}

#[tokio::test]
async fn sighup_runs_the_command_and_no_key_is_in_the_log() {
    let (upstream, file) = (Upstream::start(), TemporaryFile::with(REAL_KEY.as_bytes()));
    let command = format!("cat '{}'", file.path().display());
    let settings = [("ANTHROPIC_API_KEY", ""), ("ANTHROPIC_API_KEY_COMMAND", command.as_str())];
    let service = Process::start(&upstream.url(), &settings);
    std::fs::write(file.path(), NEW_KEY).unwrap();
    service.signal("HUP");
    service.logged("The real key was replaced by one that is printed by ANTHROPIC_API_KEY_COMMAND", 1).await;
    std::fs::write(file.path(), "canary\ncanary").unwrap();
    service.signal("HUP");
    service.logged("No new real key, the one in use stays: ANTHROPIC_API_KEY_COMMAND printed something that", 1).await;
    service.signal("TERM");
    let (status, log) = service.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn f91_without_a_key_from_the_command_the_service_does_not_start_and_says_why() {
    let upstream = Upstream::start();
    let url = upstream.url();
    for (command, limit, said) in [
        ("echo canary; echo no access to canary >&2; exit 3", "10000", "exit status: 3, and said: no access to …"),
        ("sleep 600", "200", "has not ended within 200 ms"),
        ("true", "10000", "printed something that is empty"),
    ] {
        let settings = [
            ("PORT", "0"),
            ("ANTHROPIC_API_KEY_COMMAND", command),
            ("ANTHROPIC_API_KEY_COMMAND_TIMEOUT", limit),
            ("ANTHROPIC_BASE_URL", &url),
        ];
        let (code, errors) = run(&["serve"], &settings);
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains(said) && !errors.contains("canary"), "{errors}");
        let (code, shown, errors) = run_whole(&["check"], &settings);
        assert_eq!(code, Some(0), "check does not run it: {errors}");
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(
            (&shown["ANTHROPIC_API_KEY_COMMAND"], &shown["ANTHROPIC_API_KEY"]),
            (&"set".into(), &"not set".into())
        );
        let (code, report, errors) = run_whole(&["doctor"], &settings);
        assert_eq!(code, Some(1), "{report} {errors}");
        assert!(report.contains(said) && !report.contains("canary"), "{report}");
    }
}

#[tokio::test]
async fn f123_a_key_that_takes_the_place_of_the_command_waits_for_a_restart() {
    let (upstream, printed) = (Upstream::start(), TemporaryFile::with(REAL_KEY.as_bytes()));
    let by_command = format!("anthropic_api_key_command = \"cat '{}'\"\n", printed.path().display());
    let file = TemporaryFile::with(by_command.as_bytes());
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("ANTHROPIC_API_KEY", "");
        flags.set("CONFIG_FILE", file.path().display().to_string());
    });
    let token = service.token().await;
    std::fs::write(file.path(), format!("anthropic_api_key = \"{NEW_KEY}\"\n")).unwrap();
    let once = "\nvaletkey_config_reloads_total{outcome=\"taken\"} 1\n";
    service.until(async || metrics(&service).await.contains(once)).await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    // Else the command, which goes on, would put its key back after the interval.
    assert_eq!(sent_keys(&upstream), [REAL_KEY]);
}

#[tokio::test]
async fn a71_the_command_gets_no_socket_that_a_supervisor_passes_on() {
    let (upstream, listener) = (Upstream::start(), TcpListener::bind("127.0.0.1:0").unwrap());
    socket2::SockRef::from(&listener).set_cloexec(false).unwrap();
    let command = "if [ -n \"$LISTEN_FDS\" ] || (: <&3) 2>/dev/null; then exit 1; fi; echo sk-ant-api03-of-the-command";
    let settings = [("ANTHROPIC_API_KEY", ""), ("ANTHROPIC_API_KEY_COMMAND", command)];
    let service = Process::start_with_socket(&listener, ONE_SOCKET, &upstream.url(), &settings);
    let token = crate::process::token(&service.url).await;
    let url = format!("{}/v1/messages", service.url);
    assert_eq!(testkit::http::post(&url, &[("x-api-key", &token)], BODY).await.status, 200);
    assert_eq!(sent_keys(&upstream), ["sk-ant-api03-of-the-command"]);
}

#[tokio::test]
async fn a41_the_command_gets_none_of_the_other_secrets() {
    let upstream = Upstream::start();
    let command = "if [ -n \"$ADMIN_TOKEN$JWT_SECRET\" ]; then exit 1; fi; echo sk-ant-api03-of-the-command";
    let settings = [
        ("ANTHROPIC_API_KEY", ""),
        ("ADMIN_TOKEN", "b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A"),
        ("ANTHROPIC_API_KEY_COMMAND", command),
    ];
    let service = Process::start(&upstream.url(), &settings);
    let token = crate::process::token(&service.url).await;
    let url = format!("{}/v1/messages", service.url);
    assert_eq!(testkit::http::post(&url, &[("x-api-key", &token)], BODY).await.status, 200);
    assert_eq!(sent_keys(&upstream), ["sk-ant-api03-of-the-command"]);
}

/// The command prints this file.
fn printed_of(flags: &mut Flags, path: &Path) {
    flags.set("ANTHROPIC_API_KEY", "");
    flags.set("ANTHROPIC_API_KEY_COMMAND", format!("cat '{}'", path.display()));
}

/// The keys of the requests for messages, in their order, without those of the service's own probes.
fn sent_keys(upstream: &Upstream) -> Vec<String> {
    let requests = upstream.requests();
    let asked = requests.iter().filter(|request| !request.is_key_probe());
    asked.map(|request| request.header("x-api-key").expect("each has a key").to_owned()).collect()
}

const NEW_KEY: &str = "sk-ant-api03-canary-second-key";
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
