//! Several instances of the service govern as one: by the database they share, and by Redis.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Executor;
use valetkey::service::config::Flags;
use valetkey::service::meter::usage::Ended;
use valetkey::service::store::database::{PageRequest, UsageFilter};

use crate::governed_limits::known;
use crate::process::Process;
use testkit::http::wire::{Wire, messages};
use testkit::http::{open, post};
use testkit::service::{TestService, metrics};
use testkit::stores::database::TestDatabase;
use testkit::stores::redis::Redis;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f56_a_revocation_by_one_instance_is_in_force_at_another_within_two_seconds() {
    for database in TestDatabase::each().await {
        let upstream = Upstream::start();
        let (one, other) = (on(&database, &upstream), on(&database, &upstream));
        let (token, spared) = (one.token().await, one.token_for("device-0002").await);
        assert_eq!(other.messages(&token, BODY).await.status, 200, "{}", database.name);
        upstream.answer_next(Answer::message_stream("hello").hold_after(1, Gate::new()));
        let mut stream = Wire::connect(&other.url).await;
        stream.send(messages(&token, BODY)).await;
        stream.until(b"message_start").await;

        let since = Instant::now();
        let revoked = one.admin("POST", "/admin/revocations", Some(json!({ "device_id": "device-0001" }))).await;
        assert_eq!(revoked.status, 201, "{}", revoked.text());
        let came = String::from_utf8(stream.until(b"0\r\n\r\n").await).unwrap();
        assert!(came.contains("event: error\ndata: ") && came.contains("token_revoked"), "{came}");
        assert_eq!(other.messages(&token, BODY).await.error_code(), "token_revoked", "{}", database.name);
        let passed = since.elapsed();
        assert!(passed < PROMISED, "{}: {passed:?}", database.name);
        assert_eq!(other.messages(&spared, BODY).await.status, 200, "{}", database.name);
        assert!(other.usage.records().iter().any(|record| record.ended == Ended::Revoked));

        let id = revoked.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(other.admin("DELETE", &format!("/admin/revocations/{id}"), None).await.status, 204);
        let since = Instant::now();
        one.until(async || one.messages(&token, BODY).await.status == 200).await;
        assert!(since.elapsed() < PROMISED, "{}: and taken back likewise", database.name);
    }
}

#[tokio::test]
async fn a_change_of_limits_at_one_instance_is_in_force_at_another_within_two_seconds() {
    for database in TestDatabase::each().await {
        let upstream = Upstream::start();
        let (one, other) = (on(&database, &upstream), on(&database, &upstream));
        let token = one.token().await;
        for _ in 0..3 {
            assert_eq!(other.messages(&token, BODY).await.status, 200);
        }
        known(&one, "device-0001").await;
        for (requests, served) in [(1, 429), (0, 200)] {
            let (change, since) = (json!({ "limits": { "requests": requests } }), Instant::now());
            assert_eq!(one.admin("PATCH", "/admin/devices/device-0001", Some(change)).await.status, 200);
            other.until(async || other.messages(&token, BODY).await.status == served).await;
            assert!(since.elapsed() < PROMISED, "{}: {requests} after {:?}", database.name, since.elapsed());
        }
    }
}

#[tokio::test]
async fn f67_services_with_another_issuer_share_no_limits_on_one_redis() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start();
    let mut running = Vec::new();
    for issuer in ["valetkey", "team-a", "team-b"] {
        let service = TestService::before_with(&upstream, |flags| {
            flags.set("TOKEN_ISSUER", issuer);
            flags.set("REDIS_URL", redis.url().expose().to_owned());
            flags.set("RATE_LIMIT_MAX", "2");
        });
        let token = service.token().await;
        for status in [200, 200, 429] {
            assert_eq!(service.messages(&token, BODY).await.status, status, "{issuer}");
        }
        running.push(service);
    }
}

#[tokio::test]
async fn of_rules_only_the_changed_ones_are_read_and_all_of_them_after_a_change_by_an_earlier_version() {
    for database in TestDatabase::each().await {
        let upstream = Upstream::start();
        let (one, other) = (on(&database, &upstream), on(&database, &upstream));
        let tokens = [one.token().await, one.token_for("device-0002").await];
        let patch = async |device: &str, change: serde_json::Value| {
            let changed = one.admin("PATCH", &format!("/admin/devices/{device}"), Some(change)).await.status;
            assert!(matches!(changed, 200 | 201), "{changed}");
        };
        let status = async |device: usize| other.messages(&tokens[device - 1], BODY).await.status;
        let (none, all) = (json!({ "models": ["claude-none"] }), json!({ "models": ["claude-*"] }));
        for device in ["device-0001", "device-0002"] {
            patch(device, none.clone()).await;
        }
        other.until(async || status(1).await == 400 && status(2).await == 400).await;

        // Nobody counts this, so nobody reads it.
        let unseen = r#"UPDATE devices SET models = '["claude-*"]' WHERE id = 'device-0002'"#;
        database.connect().await.execute(unseen).await.unwrap();
        patch("device-0001", all).await;
        other.until(async || status(1).await == 200).await;
        assert_eq!(status(2).await, 400, "{}", database.name);

        let counted = "UPDATE revisions SET revision = revision + 1 WHERE subject = 'devices'";
        database.connect().await.execute(counted).await.unwrap();
        other.until(async || status(2).await == 200).await;
        assert_eq!(status(1).await, 200, "{}", database.name);
    }
}

#[tokio::test]
async fn f34_a_restart_forgets_no_revocation_and_no_limit() {
    for database in TestDatabase::each().await {
        let upstream = Upstream::start();
        let service = on(&database, &upstream);
        let (token, limited) = (service.token().await, service.token_for("device-0002").await);
        for token in [&token, &limited] {
            assert_eq!(service.messages(token, BODY).await.status, 200);
        }
        known(&service, "device-0002").await;
        let change = json!({ "limits": { "requests": 1 } });
        assert_eq!(service.admin("PATCH", "/admin/devices/device-0002", Some(change)).await.status, 200);
        let revocation = json!({ "device_id": "device-0001" });
        assert_eq!(service.admin("POST", "/admin/revocations", Some(revocation)).await.status, 201);
        service.stop();
        let service = on(&database, &upstream);
        assert_eq!(service.messages(&token, BODY).await.error_code(), "token_revoked", "{}", database.name);
        assert_eq!(service.messages(&limited, BODY).await.status, 200, "{}", database.name);
        assert_eq!(service.messages(&limited, BODY).await.error_code(), "rate_limited", "{}", database.name);
    }
}

#[tokio::test]
async fn a45_instances_with_one_redis_admit_together_what_one_may() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start();
    let instances = ["10", "10"].map(|limit| sharing(&redis, limit, &upstream));
    // A machine that is too busy for Redis to answer in time proves nothing here; then another device is asked about.
    for attempt in 0..10 {
        let before = by_fallback(&instances).await;
        let token = instances[0].token_for(&format!("device-{attempt:04}")).await;
        let mut statuses = Vec::new();
        for number in 0..20 {
            statuses.push(instances[number % 2].messages(&token, BODY).await.status);
        }
        if by_fallback(&instances).await == before {
            let admitted = statuses.iter().filter(|status| **status == 200).count();
            let refused = statuses.iter().filter(|status| **status == 429).count();
            assert_eq!((admitted, refused), (10, 10), "{statuses:?}");
            return;
        }
    }
    panic!("Redis never answered in time");
}

#[tokio::test]
async fn answers_of_instances_with_one_redis_tell_what_is_left_over_all_of_them_but_not_of_a_default_limit() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start();
    let instances = ["5", "5", ""].map(|limit| sharing(&redis, limit, &upstream));
    // When Redis was too slow for one device, another is asked about.
    for attempt in 0..10 {
        let before = by_fallback(&instances).await;
        let token = instances[0].token_for(&format!("device-{attempt:04}")).await;
        let mut told = Vec::new();
        for number in [0, 1, 0, 1, 0, 2] {
            let answer = instances[number].messages(&token, BODY).await;
            told.push(answer.header("anthropic-ratelimit-requests-remaining").unwrap_or("nothing").to_owned());
        }
        if by_fallback(&instances).await == before {
            assert_eq!(told, ["4", "3", "2", "1", "0", "nothing"]);
            return;
        }
    }
    panic!("Redis never answered in time");
}

#[tokio::test]
async fn f19_a_process_that_is_told_to_end_has_every_request_on_record() {
    let (upstream, database) = (Upstream::start(), TestDatabase::sqlite());
    let process = Process::start(&upstream.url(), &[("DATABASE_URL", &database.setting())]);
    let issued = post(&format!("{}/bootstrap", process.url), &[], r#"{"device_id":"device-0001"}"#).await.json();
    let bearer = format!("Bearer sk-ant-proxy-{}", issued["token"].as_str().unwrap());
    let (url, headers) = (format!("{}/v1/messages", process.url), [("authorization", bearer.as_str())]);
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("one two three").hold_after(1, gate.clone()));
    upstream.answer_always(Answer::message_stream("hello"));
    let held = open(&url, &headers, BODY).await;
    for _ in 0..REQUESTS {
        assert_eq!(post(&url, &headers, BODY).await.status, 200);
    }
    process.signal("TERM");
    gate.open();
    assert!(held.bytes().await.unwrap().ends_with(b"{\"type\":\"message_stop\"}\n\n"));
    let (status, log) = process.end().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let rows = database.open().await.usage().list(&UsageFilter::default(), &PageRequest::first(100)).await.unwrap();
    assert_eq!(rows.items.len(), REQUESTS + 1, "{log}");
    for row in &rows.items {
        assert_eq!((row.ended, row.device.as_str(), row.tokens.input_tokens), (Ended::Complete, "device-0001", 25));
        assert!(row.cost_microusd.is_some());
    }
}

/// Decisions of all instances that Redis had no part in.
async fn by_fallback(instances: &[TestService]) -> u64 {
    let mut sum = 0;
    for instance in instances {
        let page = metrics(instance).await;
        let line = page.lines().find_map(|line| line.strip_prefix("valetkey_limit_fallbacks_total "));
        sum += line.expect("it is counted").parse::<u64>().unwrap();
    }
    sum
}

/// An instance of the service with this `RATE_LIMIT_MAX` that shares `redis`.
fn sharing(redis: &Redis, limit: &str, upstream: &Upstream) -> TestService {
    TestService::before_with(upstream, |flags: &mut Flags| {
        flags.set("RATE_LIMIT_MAX", limit);
        flags.set("REDIS_URL", redis.url().expose().to_owned());
    })
}

/// An instance of the service on `database`.
fn on(database: &TestDatabase, upstream: &Upstream) -> TestService {
    TestService::before_with(upstream, |flags: &mut Flags| flags.set("DATABASE_URL", database.setting()))
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;

/// From a change to its effect at every instance.
const PROMISED: Duration = Duration::from_secs(2);

const REQUESTS: usize = 12;
