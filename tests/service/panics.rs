//! F22: a panic is one request's trouble.

use std::panic::catch_unwind;
use std::process::Command;

use serde_json::Value;
use valetkey::service::meter::usage::Ended;
use valetkey::service::telemetry::log::LogConfig;
use valetkey::service::telemetry::log::{self, LineQueue};
use valetkey::service::telemetry::panics;

use testkit::http::wire::{Wire, messages};
use testkit::service::TestService;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f22_a_panic_before_the_answer_is_a_500_for_that_request_alone() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("CONCURRENT_REQUESTS", "2"));
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
    let mut open = Wire::connect(&service.url).await;
    open.send(messages(&token, BODY)).await;
    open.until(b"message_start").await;

    // What is no HTTP is refused while the request is still being served; the record of it is where it panics.
    service.usage.panic_at_the_next();
    upstream.answer_next(Answer::raw(b"nonsense\r\n\r\n".to_vec()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    let failed = wire.response().await;
    assert_eq!((failed.status(), failed.header("x-valetkey-error")), (500, Some("internal")), "{}", failed.head);
    assert_eq!((failed.header("x-should-retry"), failed.header("cache-control")), (Some("true"), Some("no-store")));

    // The same connection, the same worker, the stream beside it and the place that was taken: all go on.
    wire.send(messages(&token, BODY)).await;
    assert_eq!(wire.response().await.status(), 200);
    gate.open();
    let rest = open.until(b"0\r\n\r\n").await;
    assert!(String::from_utf8_lossy(&rest).contains("message_stop"));
    let records = service.usage.wait_for(2).await;
    assert!(records.iter().all(|record| record.ended == Ended::Complete), "{records:?}");
    assert_eq!(service.admin("GET", "/metrics", None).await.status, 200);
    service.stop();
}

#[tokio::test]
async fn f22_a_panic_while_an_answer_passes_ends_that_connection_alone() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("CONCURRENT_REQUESTS", "2"));
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("beside").hold_after(1, gate.clone()));
    let mut beside = Wire::connect(&service.url).await;
    beside.send(messages(&token, BODY)).await;
    beside.until(b"message_start").await;

    service.usage.panic_at_the_next();
    upstream.answer_next(Answer::message_stream("hello"));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(messages(&token, BODY)).await;
    let (came, _) = wire.rest().await;
    assert!(!came.ends_with(b"0\r\n\r\n"), "it does not pass for whole: {}", String::from_utf8_lossy(&came));

    for _ in 0..3 {
        assert_eq!(service.messages(&token, BODY).await.status, 200, "its place was given back");
    }
    gate.open();
    assert!(String::from_utf8_lossy(&beside.until(b"0\r\n\r\n").await).contains("message_stop"));
    service.usage.wait_for(4).await;
    upstream.wait_for_open_streams(0).await;
    service.stop();
}

#[test]
fn f22_a_panic_is_one_line_of_the_log_and_shows_nothing_that_was_put_together() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["panics::the_process_that_panics", "--exact", "--nocapture"])
        .env(WORDS, "canary")
        .output()
        .unwrap();
    let log = String::from_utf8(child.stderr).unwrap();
    let panics = log.lines().filter(|line| line.contains("Panicked: "));
    let panics: Vec<Value> = panics.map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let words: Vec<_> = panics.iter().map(|panic| panic["message"].as_str().unwrap()).collect();
    assert!(words[0] == "Panicked: words of the program" && words[1].contains("withheld"), "{log}");
    assert!(panics.iter().all(|panic| panic["location"].as_str().unwrap().contains("panics.rs:")), "{log}");
    assert!(!log.contains("canary") && !log.contains("panicked at"), "{log}");
}

/// Does nothing unless the test above starts it in a process of its own: the log and what sees panics are the process's.
#[test]
fn the_process_that_panics() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let (lines, writer) = LineQueue::start(std::io::stderr()).unwrap();
    let level = tracing::level_filters::LevelFilter::INFO;
    log::init(LogConfig { level, json: true }, &lines).unwrap();
    panics::watch(None);
    assert!(catch_unwind(|| panic!("words of the program")).is_err());
    assert!(catch_unwind(|| panic!("words of a request: {words}")).is_err());
    writer.close();
}

const WORDS: &str = "VALETKEY_TEST_PANICS";
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
