//! Changes by administrators: what they mean, and that each is on record, also when the administrator does not wait for it.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Executor;
use valetkey::service::store::database::DatabaseUrl;

use crate::process::Process;
use testkit::http;
use testkit::http::wire::{Wire, messages};
use testkit::service::{ADMIN_TOKEN, TestService};
use testkit::stores::database::TestDatabase;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn a_device_is_revoked_or_not_whichever_way_that_was_said() {
    for database in TestDatabase::each().await {
        let (_upstream, service) = on(&database);
        let token = service.token().await;
        assert_eq!(service.messages(&token, BODY).await.status, 200, "{}", database.name);
        change(&service, json!({ "org": "acme" })).await;

        change(&service, json!({ "state": "revoked" })).await;
        assert_eq!(standing(&service, &token).await, ("revoked".to_owned(), 1, 401), "{}", database.name);
        let id = revocations(&service).await[0]["id"].as_str().unwrap().to_owned();
        let removed = service.admin("DELETE", &format!("/admin/revocations/{id}"), None).await;
        assert_eq!(removed.status, 204, "{}", database.name);
        assert_eq!(standing(&service, &token).await, ("active".to_owned(), 0, 200), "{}", database.name);

        let new = json!({ "device_id": "device-0001", "reason": "laptop lost" });
        assert_eq!(service.admin("POST", "/admin/revocations", Some(new)).await.status, 201, "{}", database.name);
        assert_eq!(standing(&service, &token).await, ("revoked".to_owned(), 1, 401), "{}", database.name);
        change(&service, json!({ "state": "revoked" })).await;
        assert_eq!(revocations(&service).await[0]["reason"], "laptop lost", "{}: it was so", database.name);
        let listed = service.admin("GET", "/admin/devices?state=active", None).await.json();
        assert_eq!(listed["items"], json!([]), "{}", database.name);
        change(&service, json!({ "state": "active" })).await;
        assert_eq!(standing(&service, &token).await, ("active".to_owned(), 0, 200), "{}", database.name);
    }
}

#[tokio::test]
async fn a_device_is_told_what_it_may_do_before_it_is_first_seen() {
    for database in TestDatabase::each().await {
        let (_upstream, service) = on(&database);
        let rule = json!({ "user": "ada", "models": ["claude-haiku-*"] });
        let path = "/admin/devices/device-0001";
        for status in [201, 200] {
            let answer = service.admin("PATCH", path, Some(rule.clone())).await;
            assert_eq!((answer.status, &answer.json()["user"]), (status, &json!("ada")), "{}", database.name);
            assert_eq!(answer.json()["last_seen"], Value::Null, "{}", database.name);
        }
        let token = service.token().await;
        assert_eq!(service.messages(&token, BODY).await.error_code(), "model_not_allowed", "{}", database.name);
        let allowed = service.messages(&token, r#"{"model":"claude-haiku-4-5","messages":[]}"#).await;
        assert_eq!(allowed.status, 200, "{}", database.name);
        service.until(async || service.admin("GET", path, None).await.json()["last_seen"].is_u64()).await;
        let device = service.admin("GET", path, None).await.json();
        assert_eq!((&device["first_seen"], &device["user"]), (&device["last_seen"], &json!("ada")));

        let revoked = service.admin("PATCH", "/admin/devices/device-0002", Some(json!({ "state": "revoked" }))).await;
        assert_eq!((revoked.status, &revoked.json()["state"]), (201, &json!("revoked")), "{}", database.name);
        let refused = http::post(&service.at("/bootstrap"), &[], r#"{"device_id":"device-0002"}"#).await;
        assert_eq!(refused.error_code(), "token_revoked", "{}", database.name);
        for (bad, body) in [("a%20b", json!({})), ("device-0003", json!({ "org": "" }))] {
            assert_eq!(service.admin("PATCH", &format!("/admin/devices/{bad}"), Some(body)).await.status, 400);
        }
        assert_eq!(service.admin("GET", "/admin/devices/device-0003", None).await.status, 404, "{}", database.name);
    }
}

#[tokio::test]
async fn a_deleted_device_has_no_tokens_and_may_come_back_later() {
    for database in TestDatabase::each().await {
        let (upstream, service) = on(&database);
        let token = service.token().await;
        change(&service, json!({ "models": ["claude-sonnet-*"] })).await;
        upstream.answer_next(Answer::message_stream("hello").hold_after(2, Gate::new()));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, STREAM)).await;
        wire.until(b"message_start").await;

        assert_eq!(service.admin("DELETE", "/admin/devices/device-0001", None).await.status, 204, "{}", database.name);
        let came = String::from_utf8(wire.until(b"0\r\n\r\n").await).unwrap();
        assert!(came.contains("token_revoked"), "{}: {came}", database.name);
        assert_eq!(service.messages(&token, BODY).await.error_code(), "token_revoked", "{}", database.name);
        let again = http::post(&service.at("/bootstrap"), &[], r#"{"device_id":"device-0001"}"#).await;
        assert_eq!(again.error_code(), "token_revoked", "{}", database.name);
        let revocation = revocations(&service).await.remove(0);
        assert_eq!(revocation["reason"], "The device was deleted", "{}", database.name);
        let life = revocation["expires_at"].as_u64().unwrap() - revocation["created_at"].as_u64().unwrap();
        assert!(life >= 24 * 3600 * 1000, "{}: {life}", database.name);

        service.clock.advance(Duration::from_secs(25 * 3600));
        let back = async || http::post(&service.at("/bootstrap"), &[], r#"{"device_id":"device-0001"}"#).await;
        service.until(async || back().await.status == 200).await;
        assert_eq!(back().await.json()["models"], json!([]), "{}: nothing is left of its rules", database.name);
        assert_eq!(service.messages(&token, BODY).await.error_code(), "token_expired", "{}", database.name);
    }
}

#[tokio::test]
async fn a19_an_administrator_who_hangs_up_is_on_record_all_the_same() {
    for database in TestDatabase::each().await {
        let (_upstream, service) = on(&database);
        let token = service.token().await;
        let mut lock = database.connect().await;
        let statement = match database.url {
            DatabaseUrl::Sqlite(_) => "BEGIN EXCLUSIVE",
            DatabaseUrl::Postgres(_) => "BEGIN; LOCK TABLE audit",
        };
        lock.execute(statement).await.unwrap();
        let mut wires = Vec::new();
        for (method, path, body) in [
            ("POST", "/admin/revocations", r#"{"device_id":"device-0001"}"#),
            ("POST", "/admin/revocations", r#"{"device_id":"not one"}"#),
        ] {
            let mut wire = Wire::connect(service.admin_url()).await;
            wire.send(admin(method, path, body)).await;
            wires.push(wire);
        }
        turns(&service).await;
        drop(wires);
        turns(&service).await;
        lock.execute("ROLLBACK").await.unwrap();

        let outcomes = async || {
            let trail = service.admin("GET", "/admin/audit", None).await.json();
            let items = trail["items"].as_array().unwrap().clone();
            let mut outcomes: Vec<_> = items.iter().map(|item| item["outcome"].as_str().unwrap().to_owned()).collect();
            outcomes.sort_unstable();
            outcomes
        };
        service.until(async || outcomes().await == ["done", "refused"]).await;
        assert_eq!(revocations(&service).await.len(), 1, "{}", database.name);
        service.until(async || service.messages(&token, BODY).await.status == 401).await;
    }
}

#[tokio::test]
async fn who_makes_a_change_may_say_so_and_is_not_believed() {
    for database in TestDatabase::each().await {
        let (_upstream, service) = on(&database);
        let bearer = format!("Bearer {ADMIN_TOKEN}");
        let revoke = async |names: &[&str], user: &str| {
            let mut request = http::client().post(format!("{}/admin/revocations", service.admin_url()));
            for name in names {
                request = request.header("x-admin-actor", *name);
            }
            http::whole(request.header("authorization", &bearer).json(&json!({ "user": user }))).await
        };
        let by_name = revoke(&["ann"], "one").await;
        assert_eq!((by_name.status, &by_name.json()["created_by"]), (201, &json!("admin/ann")), "{}", database.name);
        assert_eq!(revoke(&[], "two").await.json()["created_by"], "admin", "{}", database.name);
        let long = "a".repeat(65);
        for bad in [&["a\tb"][..], &[""], &[&long], &["ann", "ann"]] {
            let refused = revoke(bad, "three").await;
            assert_eq!(refused.status, 400, "{bad:?}");
            assert!(refused.text().contains("x-admin-actor"), "{bad:?}: {}", refused.text());
        }
        assert_eq!(revocations(&service).await.len(), 2, "{}", database.name);
        let trail = service.admin("GET", "/admin/audit", None).await.json();
        let seen: Vec<_> = trail["items"].as_array().unwrap().iter().rev().map(|item| item["actor"].clone()).collect();
        assert_eq!(seen, ["admin/ann", "admin", "admin", "admin", "admin", "admin"], "{}", database.name);
    }
}

#[tokio::test]
async fn each_request_that_may_change_something_is_a_line_of_the_log_without_a_token() {
    let service = Process::start("http://127.0.0.1:9", &[("ADMIN_TOKEN", ADMIN_TOKEN)]);
    let began = "The admin listener is on ";
    service.logged(began, 1).await;
    let url = lines(&service, |line| line.starts_with(began)).remove(0)["message"].as_str().unwrap()[began.len()..]
        .to_owned();
    let ask = async |path: &str, body: Value| {
        let request = http::client().post(format!("{url}{path}")).bearer_auth(ADMIN_TOKEN);
        http::whole(request.header("x-admin-actor", "ada").json(&body)).await
    };
    let minted = ask("/admin/tokens", json!({ "device_id": "device-0001" })).await.json();
    let token = minted["token"].as_str().unwrap();
    assert_eq!(ask("/admin/tokens/inspect", json!({ "token": token })).await.status, 200);
    assert_eq!(ask("/admin/tokens/inspect", json!({ "tokn": token })).await.status, 400);
    let revoked = ask("/admin/revocations", json!({ "device_id": "device-0002", "reason": "lost" })).await;
    assert_eq!(revoked.status, 201, "{}", revoked.text());
    let answered = "Answered an admin request";
    service.logged(answered, 4).await;
    let lines = lines(&service, |line| line == answered);
    for (line, (path, detail, outcome)) in lines.iter().zip([
        ("/admin/tokens", json!("{\"device_id\":\"device-0001\"}"), "done"),
        ("/admin/tokens/inspect", json!("{\"token\":\"…\"}"), "done"),
        ("/admin/tokens/inspect", Value::Null, "refused"),
        ("/admin/revocations", json!("{\"device_id\":\"device-0002\",\"reason\":\"lost\"}"), "done"),
    ]) {
        assert_eq!((&line["level"], &line["actor"]), (&"INFO".into(), &"admin/ada".into()), "{line}");
        assert_eq!((&line["source"], &line["method"]), (&"127.0.0.1".into(), &"POST".into()), "{line}");
        assert_eq!((&line["path"], &line["outcome"]), (&path.into(), &outcome.into()), "{line}");
        assert_eq!(line["detail"], detail, "{line}");
    }
    assert!(!service.log().contains(token), "{}", service.log());
}

/// The lines of the log with such a message.
fn lines(service: &Process, is_meant: impl Fn(&str) -> bool) -> Vec<Value> {
    let log = service.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(&is_meant)).collect()
}

/// The device's state, how many revocations there are, and what a request with `token` is answered.
async fn standing(service: &TestService, token: &str) -> (String, usize, u16) {
    let device = service.admin("GET", "/admin/devices/device-0001", None).await.json();
    let status = service.messages(token, BODY).await.status;
    (device["state"].as_str().unwrap().to_owned(), revocations(service).await.len(), status)
}

async fn revocations(service: &TestService) -> Vec<Value> {
    service.admin("GET", "/admin/revocations", None).await.json()["items"].as_array().unwrap().clone()
}

/// Changes `device-0001`, which may be new.
async fn change(service: &TestService, change: Value) {
    let answer = service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

/// The control thread answers one after the other: what came before is at work when these are answered.
async fn turns(service: &TestService) {
    for _ in 0..3 {
        assert_eq!(service.admin("GET", "/admin/config", None).await.status, 200);
    }
}

fn admin(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn on(database: &TestDatabase) -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("DATABASE_URL", database.setting()));
    (upstream, service)
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
const STREAM: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
