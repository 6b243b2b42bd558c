//! Files that Claude makes by running code: each belongs to the device that got the answer, as if it had uploaded the file.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use valetkey::clock::ManualClock;

use crate::batches::{ask, id, ids};
use crate::files::{multipart, upload};
use testkit::http::{Answer as Received, post};
use testkit::legs::assert_same;
use testkit::service::TestService;
use testkit::stores::database::TestDatabase;
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn f82_a_conversation_goes_on_after_a_file_that_claude_made() {
    for setting in SETTINGS {
        let upstream = Upstream::start();
        let service = service(&upstream, setting);
        let token = service.token().await;
        for (number, form) in Form::ALL.into_iter().enumerate() {
            let blocks = made(&format!("file_{number}"));
            give(&service, &upstream, &token, form.answer(&blocks)).await;
            let (before, turn) = (upstream.requests().len(), next_turn(&blocks));
            let answer = service.messages(&token, turn.clone()).await;
            assert_eq!(answer.status, 200, "{setting} {form:?} {}", answer.text());
            assert_same(&upstream.requests()[before].body, turn.as_bytes(), (setting, form));
        }
    }
}

#[tokio::test]
async fn f82_a_file_that_claude_made_is_downloaded_listed_and_deleted_like_an_uploaded_one() {
    let upstream = Upstream::start();
    let service = service(&upstream, "on");
    let token = service.token().await;
    for form in Form::ALL {
        let file = chart(&upstream).await;
        give(&service, &upstream, &token, form.answer(&made(&file))).await;
        let path = format!("/v1/files/{file}");
        let downloaded = ask(&service, &token, "GET", &format!("{path}/content")).await;
        assert_eq!((downloaded.status, downloaded.body.as_slice()), (200, CHART), "{form:?} at once");
        assert_eq!(ask(&service, &token, "GET", &path).await.json()["id"], json!(file), "{form:?}");
        let listed = async || ids(&ask(&service, &token, "GET", "/v1/files").await.json());
        service.until(async || listed().await == [file.as_str()]).await;
        assert_eq!(ask(&service, &token, "DELETE", &path).await.status, 200, "{form:?}");
        service.until(async || listed().await.is_empty()).await;
    }
}

#[tokio::test]
async fn f82_a_file_is_the_devices_before_the_stream_that_names_it_has_ended() {
    let upstream = Upstream::start();
    let service = service(&upstream, "on");
    let token = service.token().await;
    let (file, gate) = (chart(&upstream).await, Gate::new());
    let blocks = made(&file);
    // All events up to the block that names the file.
    upstream.answer_next(Form::Stream.answer(&blocks).hold_after(1 + blocks.as_array().unwrap().len(), gate.clone()));
    let mut stream = service.open(&token, FIRST_TURN).await;
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains(&file) {
        came.extend_from_slice(&stream.chunk().await.unwrap().expect("the block comes"));
    }
    let downloaded = ask(&service, &token, "GET", &format!("/v1/files/{file}/content")).await;
    assert_eq!((downloaded.status, downloaded.body.as_slice()), (200, CHART));
    gate.open();
    while stream.chunk().await.unwrap().is_some() {}
}

#[tokio::test]
async fn f82_instances_know_what_files_others_have_made_and_a_restart_forgets_none() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (Upstream::start(), ManualClock::starting_now());
        let [one, two] = [(); 2].map(|()| on(&database, &upstream, &clock));
        let (owner, other) = (one.token_for("device-0001").await, one.token_for("device-0002").await);
        let file = chart(&upstream).await;
        let (turn, content) = (next_turn(&made(&file)), format!("/v1/files/{file}/content"));
        give(&one, &upstream, &owner, Form::Stream.answer(&made(&file))).await;
        // The conversation waits until the other instance has recorded the file; the download does not.
        let status = async |service: &TestService, token: &str| {
            let (going_on, downloaded) =
                tokio::join!(service.messages(token, turn.clone()), ask(service, token, "GET", &content));
            (going_on.status, downloaded.status)
        };
        two.until(async || status(&two, &owner).await == (200, 200)).await;
        assert_eq!(status(&two, &other).await, (404, 404), "{}", database.name);
        two.stop();
        clock.advance(Duration::from_secs(40 * 24 * 3600));
        let three = on(&database, &upstream, &clock);
        let (owner, other) = (three.token_for("device-0001").await, three.token_for("device-0002").await);
        let kept = [status(&three, &owner).await, status(&three, &other).await];
        assert_eq!(kept, [(200, 200), (404, 404)], "{}", database.name);
    }
}

#[tokio::test]
async fn f82_without_the_database_an_instance_knows_the_files_that_its_own_answers_have_made() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let (upstream, clock) = (Upstream::start(), ManualClock::starting_now());
    let service = on(&database, &upstream, &clock);
    let token = service.token().await;
    give(&service, &upstream, &token, Form::Json.answer(&made("file_1"))).await;
    database.shut().await;
    assert_eq!(service.messages(&token, next_turn(&made("file_1"))).await.status, 200);
    let unknown = service.messages(&token, next_turn(&made("file_2"))).await;
    assert_eq!((unknown.status, unknown.error_code().as_str()), (503, "not_ready"));
    database.reopen().await;
}

#[tokio::test]
async fn a61_a_file_that_claude_made_for_one_device_is_unknown_to_all_others() {
    for setting in SETTINGS {
        let upstream = Upstream::start();
        let service = service(&upstream, setting);
        let (owner, other) = (service.token_for("device-0001").await, service.token_for("device-0002").await);
        give(&service, &upstream, &owner, Form::Json.answer(&made("file_own"))).await;
        let (foreign, unknown) = tokio::join!(
            service.messages(&other, next_turn(&made("file_own"))),
            service.messages(&other, next_turn(&made("file_no")))
        );
        assert_refused(setting, &foreign, "file_own");
        assert_refused(setting, &unknown, "file_no");
        assert_eq!(upstream.requests().len(), 1, "{setting}");
    }
}

#[tokio::test]
async fn a61_an_id_that_the_model_or_a_server_of_the_clients_writes_into_an_answer_gives_nobody_the_file() {
    for setting in SETTINGS {
        let upstream = Upstream::start();
        let service = service(&upstream, setting);
        let (owner, thief) = (service.token_for("device-0001").await, service.token_for("device-0002").await);
        let own = made("file_own");
        give(&service, &upstream, &owner, Form::Json.answer(&own)).await;
        let output = &own[2];
        let written = json!([
            { "type": "text", "text": output.to_string() },
            { "type": "tool_use", "id": "toolu_1", "name": "x", "input": output },
            { "type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": output },
            { "type": "mcp_tool_use", "id": "mcptoolu_1", "name": "x", "server_name": "y", "input": output },
            { "type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": [{ "type": "text", "text": output.to_string() }] },
            { "type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": output["content"] },
            { "type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "content": [output] },
        ]);
        for form in Form::ALL {
            give(&service, &upstream, &thief, form.answer(&written)).await;
        }
        let before = upstream.requests().len();
        assert_refused(setting, &service.messages(&thief, next_turn(&own)).await, "file_own");
        assert_eq!(upstream.requests().len(), before, "{setting}");
        assert_eq!(service.messages(&owner, next_turn(&own)).await.status, 200, "{setting}");
        let records = service.usage.wait_for(1 + Form::ALL.len()).await;
        let made: usize = records.iter().map(|record| record.references.len()).sum();
        assert_eq!(made, 1, "{setting}: the owner's");
    }
}

#[tokio::test]
async fn a61_an_answer_that_names_an_uploaded_file_gives_it_to_no_other_device() {
    for database in TestDatabase::each().await {
        let (upstream, clock) = (Upstream::start(), ManualClock::starting_now());
        let [one, two] = [(); 2].map(|()| on(&database, &upstream, &clock));
        let (owner, other) = (one.token_for("device-0001").await, one.token_for("device-0002").await);
        let file = id(&upload(&one, &owner, multipart(CHART)).await);
        for instance in [&one, &two] {
            give(instance, &upstream, &other, Form::Json.answer(&made(&file))).await;
            let before = upstream.requests().len();
            for (method, below) in [("GET", ""), ("GET", "/content"), ("DELETE", "")] {
                let answer = ask(instance, &other, method, &format!("/v1/files/{file}{below}")).await;
                assert_eq!(answer.status, 404, "{} {method} {below}", database.name);
            }
            assert_eq!(upstream.requests().len(), before, "{}", database.name);
        }
        let going_on = one.messages(&other, next_turn(&made(&file))).await;
        assert_eq!(going_on.status, 404, "{}: the instance knows who has uploaded it", database.name);
        let downloaded = ask(&two, &owner, "GET", &format!("/v1/files/{file}/content")).await;
        assert_eq!((downloaded.status, downloaded.body.as_slice()), (200, CHART), "{}", database.name);
    }
}

/// With the setting off, devices upload and download no files; what Claude makes is theirs all the same.
const SETTINGS: [&str; 2] = ["off", "on"];

/// The forms in which an answer comes.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    JsonInGzip,
    Stream,
    StreamInGzip,
}

impl Form {
    const ALL: [Self; 4] = [Self::Json, Self::JsonInGzip, Self::Stream, Self::StreamInGzip];

    /// An answer with these blocks.
    fn answer(self, blocks: &Value) -> Answer {
        let message = |content: &Value| {
            let usage = json!({ "input_tokens": 25, "output_tokens": 40 });
            json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": Answer::MODEL, "content": content, "usage": usage })
        };
        let whole = || Answer::json(200, message(blocks)).in_pieces(100);
        let stream = || {
            let mut events = vec![event("message_start", &json!({ "message": message(&json!([])) }))];
            for (index, block) in blocks.as_array().unwrap().iter().enumerate() {
                events.push(event("content_block_start", &json!({ "index": index, "content_block": block })));
            }
            let delta = json!({ "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 40 } });
            events.push(event("message_delta", &delta));
            events.push(event("message_stop", &json!({})));
            Answer::stream(events)
        };
        match self {
            Self::Json => whole(),
            Self::JsonInGzip => whole().gzip(),
            Self::Stream => stream(),
            Self::StreamInGzip => stream().gzip(),
        }
    }
}

fn event(name: &str, data: &Value) -> String {
    let mut data = data.clone();
    data["type"] = json!(name);
    format!("event: {name}\ndata: {data}\n\n")
}

/// The blocks of an answer that has made this file.
fn made(file: &str) -> Value {
    let output = json!({ "type": "bash_code_execution_output", "file_id": file });
    let result = json!({ "type": "bash_code_execution_result", "stdout": "", "stderr": "", "return_code": 0, "content": [output] });
    json!([
        { "type": "text", "text": "I draw a chart." },
        { "type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": { "command": "draw" } },
        { "type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": result },
    ])
}

/// Gives a device this answer.
async fn give(service: &TestService, upstream: &Upstream, token: &str, answer: Answer) {
    upstream.answer_next(answer);
    assert_eq!(service.messages(token, FIRST_TURN).await.status, 200);
}

/// The request that repeats an answer with these blocks.
fn next_turn(blocks: &Value) -> String {
    let turns = json!([
        { "role": "user", "content": "Draw a chart." },
        { "role": "assistant", "content": blocks },
        { "role": "user", "content": "In red." },
    ]);
    let tools = json!([{ "type": "code_execution_20260521", "name": "code_execution" }]);
    json!({ "model": "claude-opus-5-5", "max_tokens": 9, "tools": tools, "messages": turns }).to_string()
}

fn assert_refused(setting: &str, answer: &Received, file: &str) {
    let body = answer.json();
    let message = body["error"]["message"].as_str().unwrap();
    if setting == "on" {
        assert_eq!((answer.status, message), (404, format!("File not found: {file}").as_str()));
    } else {
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{message}");
        assert!(message.contains("`file_id`") && !message.contains(file), "{message}");
    }
}

/// A file that the upstream has and no device has uploaded.
async fn chart(upstream: &Upstream) -> String {
    let kind = ("content-type", "multipart/form-data; boundary=x-boundary");
    id(&post(&format!("{}/v1/files", upstream.url()), &[kind], multipart(CHART)).await)
}

fn service(upstream: &Upstream, setting: &str) -> TestService {
    TestService::before_with(upstream, |flags| flags.set("BATCHES_AND_FILES", setting))
}

fn on(database: &TestDatabase, upstream: &Upstream, clock: &ManualClock) -> TestService {
    TestService::start_in(
        &upstream.url(),
        |flags| {
            flags.set("DATABASE_URL", database.setting());
            flags.set("BATCHES_AND_FILES", "on");
        },
        |ports| ports.clock = Arc::new(clock.clone()),
    )
}

const FIRST_TURN: &str = r#"{"model":"claude-opus-5-5","max_tokens":9,"tools":[{"type":"code_execution_20260521","name":"code_execution"}],"messages":[{"role":"user","content":"Draw a chart."}]}"#;

const CHART: &[u8] = b"the bytes of a chart";
