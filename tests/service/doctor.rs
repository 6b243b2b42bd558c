//! `valetkey doctor`: what it says of set-ups that work and of some that do not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::process::{Process, run_whole};
use testkit::service::REAL_KEY;
use testkit::stores::redis::Redis;
use testkit::temporary::TemporaryFile;
use testkit::upstream::{Answer, Certificate, Options, Upstream};

#[test]
fn a_set_up_that_works_has_no_problem() {
    let upstream = Upstream::start_with(Options { key: Some(REAL_KEY.into()), ..Options::default() });
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &upstream.url())]);
    assert_eq!((code, &report["healthy"]), (Some(0), &true.into()), "{report:#}");
    for check in ["configuration", "dns", "connection", "key", "clock", "redis", "database", "service"] {
        assert_eq!(verdict(&report, check), "ok", "{check}: {report:#}");
    }
}

#[test]
fn a_key_that_is_refused_is_a_problem_and_the_key_is_not_shown() {
    let upstream = Upstream::start_with(Options { key: Some("another".into()), ..Options::default() });
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &upstream.url())]);
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!((verdict(&report, "connection"), verdict(&report, "key")), ("ok", "problem"), "{report:#}");
    assert!(finding(&report, "key")["advice"].as_str().unwrap().contains("ANTHROPIC_API_KEY"), "{report:#}");
    assert!(!report.to_string().contains("canary"), "{report:#}");
}

#[test]
fn a_key_for_messages_alone_is_a_good_key() {
    let options = Options { key: Some(REAL_KEY.into()), messages_only: true, ..Options::default() };
    let upstream = Upstream::start_with(options);
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &upstream.url())]);
    assert_eq!((code, verdict(&report, "key")), (Some(0), "ok"), "{report:#}");
    assert_eq!(finding(&report, "key")["found"], "accepted for messages", "{report:#}");
    let asked = upstream.requests();
    assert_eq!((asked.len(), asked[0].body.as_slice()), (1, b"{}".as_slice()), "nothing that costs");
}

#[test]
fn a_key_that_may_send_no_messages_is_named_so() {
    let upstream = Upstream::start();
    upstream.answer_key_probes(Answer::error(403, "permission_error", "api_key_scope_missing"));
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &upstream.url())]);
    assert_eq!((code, verdict(&report, "key")), (Some(1), "problem"), "{report:#}");
    assert!(finding(&report, "key")["advice"].as_str().unwrap().contains("no messages"), "{report:#}");
}

#[test]
fn a41_the_words_of_an_upstream_that_goes_away_are_not_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            go_away(socket.unwrap());
        }
    });
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &url), ("UPSTREAM_HTTP_VERSION", "2")]);
    assert_eq!((code, verdict(&report, "key")), (Some(1), "problem"), "{report:#}");
    assert!(finding(&report, "key")["found"].as_str().unwrap().contains("internal error"), "{report:#}");
    assert!(!report.to_string().contains("canary"), "{report:#}");
}

/// Answers the first request with a `GOAWAY` whose debug data is the real key (RFC 9113 §6.8).
fn go_away(mut socket: TcpStream) {
    let frame = |kind: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 0][..], payload].concat()
    };
    let (mut came, mut room) = (Vec::new(), [0; 4096]);
    // A connection that is only looked at ends without a request.
    let _ = socket.write_all(&frame(4, &[]));
    while !has_headers(&came) {
        match socket.read(&mut room) {
            Ok(read @ 1..) => came.extend_from_slice(&room[..read]),
            _ => return,
        }
    }
    let internal_error = [0, 0, 0, 0, 0, 0, 0, 2];
    socket.write_all(&frame(7, &[&internal_error[..], REAL_KEY.as_bytes()].concat())).unwrap();
    while socket.read(&mut room).is_ok_and(|read| read > 0) {}
}

/// Whether a request has come: a `HEADERS` frame behind the preface (RFC 9113 §3.4, §4.1).
fn has_headers(came: &[u8]) -> bool {
    let mut frames = came.get(24..).unwrap_or_default();
    while let [a, b, c, kind, ..] = frames {
        if *kind == 1 {
            return true;
        }
        let length = (usize::from(*a) << 16) | (usize::from(*b) << 8) | usize::from(*c);
        frames = frames.get(9 + length..).unwrap_or_default();
    }
    false
}

#[test]
fn a_dead_upstream_is_one_problem_and_what_needs_it_is_not_asked() {
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")]);
    assert_eq!((code, verdict(&report, "connection")), (Some(1), "problem"), "{report:#}");
    assert_eq!(finding(&report, "key"), &Value::Null, "{report:#}");
    assert!(finding(&report, "connection")["found"].as_str().unwrap().contains("http://127.0.0.1:9"), "{report:#}");
    let (_, report) = examined(&[("ANTHROPIC_BASE_URL", "http://nowhere.invalid")]);
    assert_eq!((verdict(&report, "dns"), finding(&report, "connection")), ("problem", &Value::Null), "{report:#}");
}

#[test]
fn a_certificate_is_judged_and_an_unknown_one_comes_with_advice() {
    let upstream = Upstream::start_tls(&["h2", "http/1.1"]);
    let root = TemporaryFile::with(upstream.ca_pem().unwrap().as_bytes());
    let (root, url) = (root.path().display().to_string(), upstream.url());
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &url), ("UPSTREAM_CA_FILE", &root)]);
    assert_eq!((code, verdict(&report, "certificate")), (Some(0), "ok"), "{report:#}");
    let other = Upstream::start_tls(&["h2"]);
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &other.url()), ("UPSTREAM_CA_FILE", &root)]);
    assert_eq!((code, verdict(&report, "connection")), (Some(1), "problem"), "{report:#}");
    assert!(finding(&report, "connection")["advice"].as_str().unwrap().contains("UPSTREAM_CA_FILE"), "{report:#}");
}

#[tokio::test]
async fn a_service_that_runs_is_found_and_something_else_in_its_place_too() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let service = Process::start(&url, &[]);
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &url), ("PORT", port(&service.url))]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!((verdict(&report, "service"), verdict(&report, "readiness")), ("ok", "ok"), "{report:#}");
    let (code, report) = examined(&[("ANTHROPIC_BASE_URL", &url), ("PORT", port(&url))]);
    assert_eq!((code, verdict(&report, "service")), (Some(1), "problem"), "{report:#}");
}

#[tokio::test]
async fn the_reserve_of_a_service_that_runs_is_no_usage_that_waits() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let (url, database) = (upstream.url(), format!("sqlite:{}", folder.path().join("valetkey.db").display()));
    let service = Process::start(&url, &[("DATABASE_URL", &database)]);
    let spill = folder.path().join("valetkey.db.usage-spill");
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 1, "it has its reserve");
    let settings =
        [("ANTHROPIC_BASE_URL", url.as_str()), ("PORT", port(&service.url)), ("DATABASE_URL", database.as_str())];
    let (_, report) = examined(&settings);
    assert_eq!((verdict(&report, "readiness"), finding(&report, "spill")), ("ok", &Value::Null), "{report:#}");
    std::fs::write(spill.join("usage-1.refused"), "{}\n").unwrap();
    let (_, report) = examined(&settings);
    let found = finding(&report, "spill")["found"].as_str().unwrap();
    assert!(found.starts_with("1 files of usage wait"), "{report:#}");
}

#[cfg(unix)]
#[test]
fn f38_the_disk_of_a_spill_folder_that_is_not_there_yet_is_looked_at_and_that_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let [database, spill] = ["valetkey.db", "not/there/yet"].map(|name| folder.path().join(name).display().to_string());
    let url = format!("sqlite:{database}");
    let settings = [
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"),
        ("DATABASE_URL", url.as_str()),
        ("USAGE_SPILL_DIR", spill.as_str()),
    ];
    let (_, report) = examined(&settings);
    let found = finding(&report, "disk")["found"].as_str().unwrap_or_else(|| panic!("{report:#}"));
    assert!(found.contains(&database) && found.contains(&spill), "{found}");
}

#[tokio::test]
async fn a_service_that_speaks_tls_is_asked_so_and_one_that_does_not_is_named() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let certificate = Certificate::generate(&[]);
    let files = [&certificate.pem, &certificate.key_pem].map(|text| TemporaryFile::with(text.as_bytes()));
    let [certificate, key] = files.each_ref().map(|file| file.path().display().to_string());
    let tls = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str())];
    let service = Process::start(&url, &tls);
    let settings = [("ANTHROPIC_BASE_URL", url.as_str()), ("PORT", port(&service.url))];
    let (code, report) = examined(&[&settings[..], &tls].concat());
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!((verdict(&report, "service"), verdict(&report, "readiness")), ("ok", "ok"), "{report:#}");
    let plain = Process::start(&url, &[]);
    let settings = [("ANTHROPIC_BASE_URL", url.as_str()), ("PORT", port(&plain.url))];
    let (code, report) = examined(&[&settings[..], &tls].concat());
    assert_eq!((code, verdict(&report, "service")), (Some(1), "problem"), "{report:#}");
    assert!(finding(&report, "service")["found"].as_str().unwrap().contains("speaks no TLS"), "{report:#}");
}

#[test]
fn a_database_that_cannot_be_made_is_not_called_good() {
    let (code, report) =
        examined(&[("DATABASE_URL", "sqlite:/nowhere/x.db"), ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")]);
    assert_eq!((code, verdict(&report, "database")), (Some(1), "problem"), "{report:#}");
    assert!(finding(&report, "database")["found"].as_str().unwrap().contains("/nowhere"), "{report:#}");
}

#[test]
fn redis_is_looked_at_and_left_as_it_was() {
    let Some(mut redis) = Redis::start() else { return };
    let upstream = Upstream::start();
    let (upstream, url) = (upstream.url(), redis.url());
    let settings = [("ANTHROPIC_BASE_URL", upstream.as_str()), ("REDIS_URL", url.expose())];
    let (_, report) = examined(&settings);
    assert_eq!(verdict(&report, "redis"), "warning", "its functions are not there: {report:#}");
    let functions: Vec<redis::Value> = redis.command(&["FUNCTION", "LIST"]).unwrap();
    assert!(functions.is_empty(), "nothing was loaded");
    redis.kill();
    let (code, report) = examined(&settings);
    assert_eq!((code, verdict(&report, "redis")), (Some(1), "problem"), "{report:#}");
}

#[test]
fn settings_that_are_wrong_are_findings_too_and_lines_are_for_people() {
    let (code, report) = examined(&[("WORKERS", "0")]);
    assert_eq!((code, verdict(&report, "configuration")), (Some(64), "problem"), "{report:#}");
    let (code, lines, errors) =
        run_whole(&["doctor"], &[("ANTHROPIC_API_KEY", REAL_KEY), ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")]);
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{lines}");
    let problem =
        lines.lines().find(|line| line.starts_with("problem  connection")).unwrap_or_else(|| panic!("{lines}"));
    assert!(problem.contains("; look at ANTHROPIC_BASE_URL"), "{problem}");
}

/// Runs the doctor on a set-up where nothing listens on a port that is known: its exit code and what it says.
fn examined(settings: &[(&str, &str)]) -> (Option<i32>, Value) {
    let all = [&[("PORT", "0"), ("ANTHROPIC_API_KEY", REAL_KEY)][..], settings].concat();
    let (code, report, errors) = run_whole(&["doctor", "--json"], &all);
    (code, serde_json::from_str(&report).unwrap_or_else(|_| panic!("{report}{errors}")))
}

fn finding<'a>(report: &'a Value, check: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().find(|finding| finding["check"] == check).unwrap_or(&Value::Null)
}

fn verdict<'a>(report: &'a Value, check: &str) -> &'a str {
    finding(report, check)["verdict"].as_str().unwrap_or_default()
}

fn port(url: &str) -> &str {
    url.rsplit_once(':').unwrap().1
}
