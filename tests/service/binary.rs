//! The real binary: its signals, its exit codes, its log.

use std::time::Duration;

use crate::process::{Process, run};
use testkit::http::wire::{Wire, messages};
use testkit::http::{client, get, post};
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f19_the_first_signal_drains_and_the_service_ends_well() {
    for signal in ["TERM", "INT"] {
        let upstream = Upstream::start();
        let service = Process::start(&upstream.url(), &[]);
        let token = token(&service).await;
        let gate = Gate::new();
        let mut streams = Vec::new();
        for _ in 0..20 {
            upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
            let mut wire = Wire::connect(&service.url).await;
            wire.send(messages(&token, BODY)).await;
            wire.until(b"message_start").await;
            streams.push(wire);
        }
        service.signal(signal);
        until_refused(&service.url).await;
        gate.open();
        for stream in streams {
            assert!(stream.rest().await.0.ends_with(b"\"message_stop\"}\n\n\r\n0\r\n\r\n"));
        }
        let (status, log) = service.end().await;
        assert_eq!(status.code(), Some(0), "{log}");
        let records = log.lines().filter(|line| line.contains("valetkey::usage")).count();
        assert_eq!(records, 20, "{log}");
    }
}

#[tokio::test]
async fn f19_the_second_signal_or_the_drain_limit_forces() {
    for limit in ["60000", "300"] {
        let upstream = Upstream::start();
        let service = Process::start(&upstream.url(), &[("DRAIN_TIMEOUT", limit)]);
        let token = token(&service).await;
        upstream.answer_next(Answer::message_stream("hello").hold_after(1, Gate::new()));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        wire.until(b"message_start").await;
        service.signal("TERM");
        until_refused(&service.url).await;
        if limit == "60000" {
            service.signal("TERM");
        }
        let came = String::from_utf8(wire.rest().await.0).unwrap();
        assert!(came.contains("event: error\ndata: ") && came.ends_with("0\r\n\r\n"), "{came}");
        let (status, log) = service.end().await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("\"ended\":\"error\""), "{log}");
    }
}

#[test]
fn every_bad_setting_is_reported_and_the_exit_code_is_64() {
    let settings = [("PORT", "x"), ("HOST", "nowhere"), ("WORKERS", "0"), ("JWT_EXPIRATION_HOURS", "-1")];
    let (code, errors) = run(&["serve"], &settings);
    assert_eq!(code, Some(64), "{errors}");
    for name in ["PORT", "HOST", "WORKERS", "JWT_EXPIRATION_HOURS", "ANTHROPIC_API_KEY"] {
        assert!(errors.lines().any(|line| line.starts_with(&format!("valetkey: {name}: "))), "{name}: {errors}");
    }
}

#[test]
fn a10_beyond_loopback_it_refuses_to_start_insecure() {
    let (code, errors) = run(&["serve", "--host", "0.0.0.0"], &[("ANTHROPIC_API_KEY", "sk-ant-canary"), ("PORT", "0")]);
    assert_eq!(code, Some(64));
    assert!(errors.contains("JWT_SECRET: ") && errors.contains("BOOTSTRAP_MODE: "), "{errors}");
    assert!(!errors.contains("canary"), "{errors}");
}

#[tokio::test]
async fn a_taken_port_is_said_and_is_no_success() {
    let service = Process::start("http://127.0.0.1:9", &[]);
    let port = service.url.rsplit_once(':').unwrap().1;
    let secret = "0123456789abcdef0123456789abcdef";
    let key = ("ANTHROPIC_API_KEY", "sk-ant-canary");
    for (ports, setting) in [
        ([("PORT", port), ("ADMIN_PORT", "0"), ("METRICS_PORT", "0")], "HOST and PORT"),
        ([("PORT", "0"), ("ADMIN_PORT", port), ("METRICS_PORT", "0")], "ADMIN_HOST and ADMIN_PORT"),
        ([("PORT", "0"), ("ADMIN_PORT", "0"), ("METRICS_PORT", port)], "METRICS_HOST and METRICS_PORT"),
    ] {
        let (code, errors) = run(&["serve"], &[&ports[..], &[key, ("JWT_SECRET", secret)]].concat());
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains(&format!("cannot listen on 127.0.0.1:{port}, as {setting} say: ")), "{errors}");
        assert!(errors.contains("another program, maybe another valetkey, uses it"), "{errors}");
    }
}

#[tokio::test]
async fn f60_f61_the_log_is_one_line_of_json_for_each_event_and_holds_no_secret() {
    let upstream = Upstream::start();
    let service = Process::start(&upstream.url(), &[("LOG_LEVEL", "trace")]);
    let token = token(&service).await;
    for path in ["/\u{1b}[31mred", "/a\rb", "/nowhere\0", "/nowhere%0a", "/nowhere?secret=query-canary"] {
        let mut wire = Wire::connect(&service.url).await;
        let agent = "user-agent: \u{1b}]0;x\u{7}";
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{agent}\r\nconnection: close\r\n\r\n")).await;
        wire.rest().await;
    }
    let odd = r#"{"device_id":"a\u001b[31m\n{\"level\":\"ERROR\"}"}"#;
    assert_eq!(post(&format!("{}/bootstrap", service.url), &[], odd).await.status, 400);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let odd_model = r#"{"model":"claude-\u001b[31m\n","messages":[{"role":"user","content":"prompt-canary"}]}"#;
    post(&format!("{}/v1/messages", service.url), &headers, odd_model).await;
    upstream.answer_next(Answer::raw(b"nonsense".to_vec()));
    post(&format!("{}/v1/messages", service.url), &headers, BODY).await;
    service.signal("TERM");
    let (_, log) = service.end().await;
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        assert!(!line.contains(|char: char| char.is_control()), "{line:?}");
    }
    assert!(log.lines().count() > 5, "{log}");
    for canary in ["canary-real-key", "query-canary", "prompt-canary", token.trim_start_matches("sk-ant-proxy-")] {
        assert!(!log.contains(canary), "{canary}: {log}");
    }
}

#[tokio::test]
async fn f23_without_file_descriptors_it_waits_and_recovers() {
    let upstream = Upstream::start();
    let service = Process::start_with_files(64, &upstream.url(), &[]);
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(Wire::connect(&service.url).await);
    }
    let waiting = async {
        while !service.log().contains("Cannot accept a connection") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("a word about it");
    drop(held);
    assert_eq!(get(&format!("{}/healthz", service.url), &[]).await.status, 200);
    let token = token(&service).await;
    let answer = client().post(format!("{}/v1/messages", service.url)).bearer_auth(token).body(BODY).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    let warnings = service.log().matches("Cannot accept a connection").count();
    assert!(warnings < 100, "{warnings}: it does not spin");
}

async fn token(service: &Process) -> String {
    let answer = post(&format!("{}/bootstrap", service.url), &[], r#"{"device_id":"device-0001"}"#).await;
    format!("sk-ant-proxy-{}", answer.json()["token"].as_str().unwrap())
}

/// The signal has been seen once nobody listens any more.
async fn until_refused(url: &str) {
    let refused = async {
        while Wire::try_connect(url).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.expect("the port closes");
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
