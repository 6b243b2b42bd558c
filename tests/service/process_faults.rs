//! What happens to the process: it is killed, stopped, short of memory, not listened to, given a damaged database
//! (F18, F24, F25, F27, F39).

use std::time::Duration;

use tempfile::TempDir;
use valetkey::service::store::database::DatabaseUrl;
use valetkey::service::store::database::{Database, PageRequest, UsageFilter, UsageRow};

use crate::process::{Process, run, token};
use testkit::http::post;
use testkit::http::wire::{Wire, messages};
use testkit::service::REAL_KEY;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn a_redis_that_is_away_at_the_start_is_told_once_and_without_its_password() {
    let service = Process::start("http://127.0.0.1:9", &[("REDIS_URL", "redis://:canary@127.0.0.1:9")]);
    service.logged("Limits are decided without Redis", 1).await;
    service.signal("TERM");
    let (_, log) = service.end().await;
    let told = log.lines().filter(|line| line.contains("Limits are decided without Redis")).count();
    assert_eq!((told, log.contains("canary")), (1, false), "{log}");
}

#[tokio::test]
async fn f18_a_process_that_is_killed_cuts_its_streams_and_the_next_one_starts_with_all_that_had_ended() {
    let (upstream, folder) = (Upstream::start(), TempDir::new().unwrap());
    let file = folder.path().join("valetkey.db");
    let address = format!("sqlite:{}", file.display());
    let settings = [("DATABASE_URL", address.as_str())];
    let service = Process::start(&upstream.url(), &settings);
    let token = token(&service.url).await;
    let done = ask(&service.url, &token).await;
    assert_eq!(done, 200);
    until_on_record(&file, 1).await;
    upstream.answer_next(Answer::message_stream("hello").hold_after(2, Gate::new()));
    let mut open = Wire::connect(&service.url).await;
    open.send(messages(&token, BODY)).await;
    open.until(b"message_start").await;

    service.signal("KILL");
    let (came, _) = open.rest().await;
    assert!(!came.ends_with(b"0\r\n\r\n"), "it does not pass for whole: {}", String::from_utf8_lossy(&came));
    assert!(!String::from_utf8_lossy(&came).contains("message_stop"));
    upstream.wait_for_abandoned().await;
    let (status, _) = service.end().await;
    assert_eq!(status.code(), None, "killed");

    // The token of before is good, what had ended is on record, and the file is sound.
    let service = Process::start(&upstream.url(), &settings);
    assert_eq!(ask(&service.url, &token).await, 200);
    let rows = until_on_record(&file, 2).await;
    assert_eq!(rows.len(), 2, "the stream that was cut off has left nothing, and nothing is there twice");
    service.signal("TERM");
    let (status, log) = service.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("\"ERROR\""), "{log}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn f24_readers_that_do_not_read_cost_little_memory_and_nobody_else() {
    let upstream = Upstream::start();
    let service = Process::start(&upstream.url(), &[]);
    let token = token(&service.url).await;
    assert_eq!(ask(&service.url, &token).await, 200);
    let before = service.resident();
    for _ in 0..READERS {
        upstream.answer_next(Answer::whole(200, "application/octet-stream", vec![b'x'; 8 << 20]));
    }
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        wire.until(b"\r\n\r\n").await;
        readers.push(wire);
    }
    for _ in 0..20 {
        assert_eq!(ask(&service.url, &token).await, 200, "others are served");
    }
    let grown = service.resident().saturating_sub(before);
    assert!(grown < READERS << 20, "{} kB for each of {READERS}", (grown / READERS) >> 10);
    drop(readers);
    upstream.wait_for_open_streams(0).await;
    assert_eq!(ask(&service.url, &token).await, 200);
}

#[cfg(unix)]
#[tokio::test]
async fn f25_a_process_that_stood_still_ends_nothing_that_went_on_meanwhile() {
    let upstream = Upstream::start();
    let limits = [
        ("UPSTREAM_FIRST_BYTE_TIMEOUT", "700"),
        ("UPSTREAM_IDLE_TIMEOUT", "700"),
        ("CLIENT_READ_TIMEOUT", "700"),
        ("REQUEST_TIMEOUT", "700"),
    ];
    let service = Process::start(&upstream.url(), &limits);
    let token = token(&service.url).await;
    let (head, body) = (Gate::new(), Gate::new());
    upstream.answer_next(Answer::message_stream("one").hold_after(1, body.clone()));
    upstream.answer_next(Answer::message_stream("two").hold_before_head(head.clone()));
    let mut begun = Wire::connect(&service.url).await;
    begun.send(messages(&token, BODY)).await;
    begun.until(b"message_start").await;
    let mut waiting = Wire::connect(&service.url).await;
    waiting.send(messages(&token, BODY)).await;
    let mut sending = Wire::connect(&service.url).await;
    let whole = messages(&token, BODY);
    let (sent, rest) = whole.split_at(whole.len() - 10);
    sending.send(sent).await;
    upstream.wait_for_open_streams(2).await;

    service.signal("STOP");
    body.open();
    head.open();
    sending.send(rest).await;
    // Longer than every limit: when it goes on, all its timers are due, and all that they waited for is there.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    service.signal("CONT");

    let begun = begun.until(b"0\r\n\r\n").await;
    assert!(String::from_utf8_lossy(&begun).contains("message_stop"), "{}", String::from_utf8_lossy(&begun));
    for mut wire in [waiting, sending] {
        let response = wire.response().await;
        assert_eq!(response.status(), 200, "{}", response.head);
        assert!(String::from_utf8_lossy(&response.body).contains("message_stop"));
    }
    assert_eq!(upstream.requests().len(), 3, "nothing was sent twice");
    service.signal("TERM");
    let (_, log) = service.end().await;
    assert_eq!(log.matches("\"ended\":\"complete\"").count(), 3, "{log}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn f61_a_crash_leaves_no_core_dump_and_other_programs_cannot_look_into_the_process() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::ExitStatusExt;
    let owner = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().uid();
    let service = Process::start_dumping("http://127.0.0.1:9", &[]);
    assert_eq!(core_limits(&service.proc("limits")), ["0", "0"]);
    assert_eq!(owner(service.proc("mem")), 0, "only root may open it");
    service.signal("ABRT");
    let (status, log) = service.end().await;
    assert!(status.signal().is_some() && !status.core_dumped(), "{status:?}");
    assert!(!log.contains("Core dumps cannot be forbidden"), "{log}");
    let dumping = Process::start_dumping("http://127.0.0.1:9", &[("CORE_DUMPS", "on")]);
    assert_eq!(core_limits(&dumping.proc("limits"))[1], core_limits("/proc/self/limits".as_ref())[1]);
    assert_eq!(owner(dumping.proc("mem")), owner("/proc/self/mem".into()));
}

/// The soft and the hard limit of core dumps.
#[cfg(target_os = "linux")]
fn core_limits(file: &std::path::Path) -> [String; 2] {
    let limits = std::fs::read_to_string(file).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("such a limit");
    let mut words = line.split_whitespace().map(str::to_owned);
    [words.next().unwrap(), words.next().unwrap()]
}

#[tokio::test]
async fn f27_a_log_that_nobody_reads_costs_no_request_and_not_the_end() {
    let upstream = Upstream::start();
    let service = Process::start_unheard(&upstream.url(), &[]);
    let token = token(&service.url).await;
    // Each leaves a line of 50 kB: more than the pipe and the queue together.
    let long = format!("/{}", "x".repeat(50_000));
    let mut wire = Wire::connect(&service.url).await;
    for _ in 0..400 {
        wire.send(format!("GET {long} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        assert_eq!(wire.response().await.status(), 404);
    }
    for _ in 0..20 {
        let asked = std::time::Instant::now();
        assert_eq!(ask(&service.url, &token).await, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    service.signal("TERM");
    let (status, _) = service.end().await;
    assert_eq!(status.code(), Some(0));
}

#[test]
fn f39_a_database_that_is_none_ends_the_start_and_is_named() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("of-something-else.db");
    std::fs::write(&file, "this is a diary, and no database at all\n".repeat(1000)).unwrap();
    let address = format!("sqlite:{}", file.display());
    let settings =
        [("ANTHROPIC_API_KEY", REAL_KEY), ("PORT", "0"), ("LOG_FORMAT", "json"), ("DATABASE_URL", address.as_str())];
    let (code, errors) = run(&["serve"], &settings);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("The service cannot start"), "{errors}");
    assert!(errors.contains("the database is damaged") && errors.contains("restore a backup"), "{errors}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("this is a diary"), "it is not touched");
}

/// The status of one request that is read to its end.
async fn ask(url: &str, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    post(&format!("{url}/v1/messages"), &[("authorization", &bearer)], BODY).await.status
}

/// Waits until the database in this file has so many requests.
async fn until_on_record(file: &std::path::Path, count: usize) -> Vec<UsageRow> {
    let store = Database::open(&DatabaseUrl::Sqlite(file.to_owned())).await.unwrap();
    let found = async {
        loop {
            let rows = store.usage().list(&UsageFilter::default(), &PageRequest::first(100)).await.unwrap().items;
            if rows.len() >= count {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let rows = tokio::time::timeout(Duration::from_secs(10), found).await.expect("they are there within 10 s");
    store.close().await;
    rows
}

#[cfg(target_os = "linux")]
const READERS: usize = 16;
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
