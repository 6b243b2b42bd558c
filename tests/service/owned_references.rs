//! Messages, containers and skills: no request refers to what another device has under the shared key.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use valetkey::clock::ManualClock;

use crate::batches::{likeness, offering};
use testkit::http::{Answer as Received, open, post, post_chunked};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::stores::database::TestDatabase;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn a51_a52_a54_no_request_refers_to_what_another_device_has() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = offering(&upstream, |_| {});
        let (owner, other) = (service.token_for("device-0001").await, service.token_for("device-0002").await);
        make(&service, &upstream, &owner).await;
        let before = upstream.requests().len();
        for (fields, code, message) in REFERENCES {
            let code = &json!(code);
            for answer in everywhere(&service, &other, fields).await {
                assert_eq!(answer.status, 404, "{leg:?} {fields} {}", answer.text());
                let body = answer.json();
                let error = &body["error"];
                assert_eq!((&error["message"], &error["details"]["error_code"]), (&json!(message), code), "{fields}");
                assert_eq!(answer.header("x-valetkey-error"), None, "{leg:?} {fields}");
            }
            for answer in everywhere(&service, &owner, fields).await {
                assert_eq!(answer.status, 200, "{leg:?} {fields} {}", answer.text());
            }
        }
        upstream.wait_until("the end of all", |all| all.iter().all(|one| one.has_ended())).await;
        let complete = upstream.requests()[before..].iter().filter(|received| received.complete).count();
        assert_eq!(complete, REFERENCES.len() * WAYS, "{leg:?}: those of the owner");
    }
}

#[tokio::test]
async fn a51_another_devices_message_is_as_unknown_as_one_that_never_was() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let (owner, other) = (service.token_for("device-0001").await, service.token_for("device-0002").await);
    make(&service, &upstream, &owner).await;
    for (own, never, field) in [("message_own", "message_no", "thread"), ("container_own", "container_no", "container")]
    {
        let body = |id: &str| match field {
            "thread" => message(&thread(id)),
            _ => message(&format!(r#""container":"{id}""#)),
        };
        let (foreign, unknown) =
            (service.messages(&other, body(own)).await, service.messages(&other, body(never)).await);
        assert_eq!((foreign.status, likeness(&foreign, own)), (404, likeness(&unknown, never)), "{field}");
    }
    // A container is no message.
    assert_eq!(service.messages(&owner, message(&thread("container_own"))).await.status, 404);
    assert_eq!(service.messages(&owner, message(&thread(&"x".repeat(10_000)))).await.status, 404);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a54_diagnostics_with_a_message_that_nobody_has_are_a_400_that_names_the_field() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let (upstream, clock) = (Upstream::start(), ManualClock::starting_now());
    let (service, second) = (on(&database, &upstream, &clock), on(&database, &upstream, &clock));
    let (owner, other) = (service.token_for("device-0001").await, second.token_for("device-0002").await);
    make(&service, &upstream, &owner).await;
    let unknown = message(r#""diagnostics":{"previous_message_id":"message_no"}"#);
    let answer = second.messages(&other, unknown).await;
    let sentence = "diagnostics.previous_message_id: the message message_no is not known";
    assert_eq!((answer.status, answer.json()["error"]["message"].as_str()), (400, Some(sentence)));
    let foreign = message(r#""diagnostics":{"previous_message_id":"message_own"}"#);
    let answer = second.messages(&other, foreign).await;
    let kind = answer.json()["error"]["type"].clone();
    assert_eq!((answer.status, kind.as_str()), (404, Some("not_found_error")), "the database tells whose it is");
    // A container is no message.
    for instance in [&service, &second] {
        let fields = r#""diagnostics":{"previous_message_id":"container_own"}"#;
        assert_eq!(status(instance, &other, fields).await, 400);
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a53_a_custom_skill_is_for_all_devices_or_for_none() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |flags| flags.set("SHARED_SKILLS", "skill_a, skill_b"));
    let token = service.token().await;
    let with = |skill: &str| format!(r#""container":{{"skills":[{{"type":"anthropic","skill_id":"pdf"}},{skill}]}}"#);
    for skill in
        [r#"{"type":"custom","skill_id":"skill_b","version":"latest"}"#, r#"{"type":"anthropic","skill_id":"x"}"#]
    {
        for answer in everywhere(&service, &token, &with(skill)).await {
            assert_eq!(answer.status, 200, "{skill} {}", answer.text());
        }
    }
    let before = upstream.requests().len();
    for skill in [r#"{"type":"custom","skill_id":"skill_c"}"#, r#"{"sk\u0069ll_id":"skill_c"}"#] {
        for answer in everywhere(&service, &token, &with(skill)).await {
            assert_eq!(answer.status, 404, "{skill} {}", answer.text());
            assert_eq!(answer.json()["error"]["message"], "Skill not found: skill_c");
        }
    }
    assert!(upstream.requests()[before..].iter().all(|received| !received.complete));
}

#[tokio::test]
async fn a51_a52_what_can_be_read_in_two_ways_is_refused() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let token = service.token().await;
    make(&service, &upstream, &token).await;
    let before = upstream.requests().len();
    for fields in [
        r#""thread":{"previous_message_id":"message_own","previous_message_id":"message_no"}"#,
        r#""thread":{"previous_message_id":"message_own"},"\u0074hread":{"previous_message_id":"message_no"}"#,
        r#""thread":{"previous_message_id":["message_own"]}"#,
        r#""container":"container_own","c\u006fntainer":"container_no""#,
        r#""container":{"id":"container_own","id":"container_no"}"#,
        r#""container":["container_own"],"container":"container_own""#,
    ] {
        for answer in everywhere(&service, &token, fields).await {
            assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{fields}");
        }
    }
    assert!(upstream.requests()[before..].iter().all(|received| !received.complete));
}

#[tokio::test]
async fn a51_a_thread_goes_on_before_the_answer_that_it_goes_on_from_has_ended() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let gate = Gate::new();
    // All events, and not the end of the body.
    upstream.answer_next(Answer::message_stream("hello").hold_after(7, gate.clone()));
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), THREADS];
    let mut stream = open(&service.at("/v1/messages"), &headers, message(r#""stream":true"#)).await;
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains("message_stop\"}") {
        came.extend_from_slice(&stream.chunk().await.unwrap().expect("the last event comes"));
    }
    assert_eq!(service.messages(&token, message(&thread("msg_stand_in"))).await.status, 200);
    upstream.wait_for_open_streams(1).await; // the first one
    gate.open();
    while stream.chunk().await.unwrap().is_some() {}
}

#[tokio::test]
async fn messages_are_remembered_only_where_requests_can_refer_to_them() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let plain = Answer::json(200, json!({ "id": "message_plain", "type": "message", "usage": { "input_tokens": 1 } }));
    upstream.answer_next(plain);
    assert_eq!(service.messages(&token, message(r#""x":1"#)).await.status, 200);
    make(&service, &upstream, &token).await;
    let records = service.usage.wait_for(2).await;
    let kept: Vec<_> = records.iter().map(|record| record.references.len()).collect();
    assert_eq!(kept, [0, 2], "a message and its container");
    assert_eq!(service.messages(&token, message(&thread("message_plain"))).await.status, 404);
}

#[tokio::test]
async fn a54_a_request_with_diagnostics_and_no_beta_can_be_compared_with() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let filling = "x".repeat(1_200_000);
    for (id, fields) in [
        ("message_1", r#""diagnostics":{"previous_message_id":null}"#.to_owned()),
        ("message_2", r#""diagnostics":{"previous_message_id":"message_1"}"#.to_owned()),
        ("message_3", format!(r#""x":"{filling}","diagnostics":{{"previous_message_id":"message_2"}}"#)),
        ("message_4", r#""diagnostics":{"previous_message_id":"message_3"}"#.to_owned()),
    ] {
        let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
        upstream.answer_next(Answer::json(200, json!({ "id": id, "type": "message", "usage": usage })));
        let answer = service.messages(&token, message(&fields)).await;
        assert_eq!(answer.status, 200, "{id} {}", answer.text());
    }
}

#[tokio::test]
async fn a52_an_id_that_no_database_can_hold_is_unknown_and_no_fault() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (Upstream::start(), ManualClock::starting_now());
        let service = on(&database, &upstream, &clock);
        let token = service.token().await;
        for fields in [r#""container":"a\u0000""#, r#""thread":{"previous_message_id":"\u0000"}"#] {
            assert_eq!(status(&service, &token, fields).await, 404, "{} {fields}", database.name);
        }
    }
}

#[tokio::test]
async fn a51_a52_instances_know_what_others_have_made_and_forget_it_when_the_upstream_does() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (Upstream::start(), ManualClock::starting_now());
        let [one, two] = [(); 2].map(|()| on(&database, &upstream, &clock));
        let (owner, other) = (one.token_for("device-0001").await, one.token_for("device-0002").await);
        make(&one, &upstream, &owner).await;
        let (thread, container) = (thread("message_own"), r#""container":"container_own""#);
        for fields in [thread.as_str(), container] {
            // The first request waits until the other instance has recorded it.
            two.until(async || status(&two, &owner, fields).await == 200).await;
            assert_eq!(status(&two, &other, fields).await, 404, "{} {fields}", database.name);
        }
        two.stop();
        let three = on(&database, &upstream, &clock);
        for fields in [thread.as_str(), container] {
            let kept = [status(&three, &owner, fields).await, status(&three, &other, fields).await];
            assert_eq!(kept, [200, 404], "{}: a restart forgets nothing", database.name);
        }
        clock.advance(Duration::from_secs(3601));
        for service in [&one, &three] {
            assert_eq!(status(service, &owner, &thread).await, 404, "{}: no thread lasts an hour", database.name);
            assert_eq!(status(service, &owner, container).await, 200, "{}", database.name);
        }
        clock.advance(Duration::from_secs(31 * 24 * 3600));
        let token = one.token_for("device-0001").await;
        assert_eq!(status(&one, &token, container).await, 404, "{}", database.name);
    }
}

#[tokio::test]
async fn without_the_database_an_instance_knows_what_its_own_answers_have_made() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let (upstream, clock) = (Upstream::start(), ManualClock::starting_now());
    let service = on(&database, &upstream, &clock);
    let token = service.token().await;
    make(&service, &upstream, &token).await;
    database.shut().await;
    assert_eq!(service.messages(&token, message(&thread("message_own"))).await.status, 200);
    let unknown = service.messages(&token, message(&thread("message_no"))).await;
    assert_eq!((unknown.status, unknown.error_code().as_str()), (503, "not_ready"));
    database.reopen().await;
}

/// Each with the code in the body and the sentence for a device that does not own it.
const REFERENCES: [(&str, Option<&str>, &str); 5] = [
    (
        r#""thread":{"type":"continue","previous_message_id":"message_own"}"#,
        NO_THREAD,
        "Message not found: message_own",
    ),
    (r#""\u0074hread":{"previous\u005fmessage_id" : "message_own"}"#, NO_THREAD, "Message not found: message_own"),
    (r#""diagnostics":{"previous_message_id":"message_own"}"#, None, "Message not found: message_own"),
    (r#""container":"container_own""#, None, "Container not found: container_own"),
    (
        r#""c\u006fntainer":{"skills":[{"type":"anthropic","skill_id":"pdf"}],"id":"container\u005fown"}"#,
        None,
        "Container not found: container_own",
    ),
];

/// On this code of the API the SDKs send the whole conversation.
const NO_THREAD: Option<&str> = Some("thread_not_found");

/// Gives a device the message `message_own` and the container `container_own`.
async fn make(service: &TestService, upstream: &Upstream, token: &str) {
    let container = json!({ "id": "container_own", "expires_at": "2026-12-30T00:00:00Z" });
    let usage = json!({ "input_tokens": 25, "output_tokens": 40 });
    let made = json!({ "id": "message_own", "type": "message", "container": container, "usage": usage });
    upstream.answer_next(Answer::json(200, made));
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), THREADS];
    let answer = post(&service.at("/v1/messages"), &headers, message(r#""thread":{"type":"create"}"#)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The answers to a request with these fields on each route that takes them, short and long, with a length and in
/// chunks; all at once, because an unknown id takes a second.
async fn everywhere(service: &TestService, token: &str, fields: &str) -> Vec<Received> {
    let mut asking = JoinSet::new();
    for filling in [String::new(), "x".repeat(1_200_000)] {
        let message = message(&format!(r#""x":"{filling}",{fields}"#));
        let batch = format!(r#"{{"requests":[{{"custom_id":"a","params":{message}}}]}}"#);
        for (path, body) in [("", &message), ("/count_tokens", &message), ("/batches", &batch)] {
            for in_chunks in [false, true] {
                let (url, token, body) = (service.at(&format!("/v1/messages{path}")), token.to_owned(), body.clone());
                asking.spawn(async move {
                    let headers = [("x-api-key", token.as_str())];
                    if !in_chunks {
                        return post(&url, &headers, body).await;
                    }
                    let pieces = body.as_bytes().chunks(50_000).map(<[u8]>::to_vec).collect();
                    post_chunked(&url, &headers, pieces).await
                });
            }
        }
    }
    asking.join_all().await
}

/// How many answers [`everywhere`] gives.
const WAYS: usize = 2 * 3 * 2;

fn message(fields: &str) -> String {
    format!(r#"{{"model":"claude-opus-5-5","max_tokens":9,{fields},"messages":[{{"role":"user","content":"go on"}}]}}"#)
}

fn thread(id: &str) -> String {
    let thread: Value = json!({ "type": "continue", "previous_message_id": id });
    format!(r#""thread":{thread}"#)
}

async fn status(service: &TestService, token: &str, fields: &str) -> u16 {
    service.messages(token, message(fields)).await.status
}

fn on(database: &TestDatabase, upstream: &Upstream, clock: &ManualClock) -> TestService {
    TestService::start_in(
        &upstream.url(),
        |flags| flags.set("DATABASE_URL", database.setting()),
        |ports| ports.clock = Arc::new(clock.clone()),
    )
}

const THREADS: (&str, &str) = ("anthropic-beta", "message-threads-2026-08-12");
