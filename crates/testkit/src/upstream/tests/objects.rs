//! Tests of message batches and files.

use serde_json::{Value, json};

use super::reply::{ask, connect, post};
use crate::http::wire::Wire;
use crate::upstream::Upstream;

#[tokio::test]
async fn a_batch_ends_at_its_first_look_and_has_a_result_for_each_request() {
    let upstream = Upstream::start();
    let mut peer = connect(&upstream).await;
    let batch = batch(&["claude-opus-5-5", "gpt-4"]);
    let made = object(&mut peer, &post("/v1/messages/batches", &batch)).await;
    assert_eq!((made["processing_status"].as_str(), &made["results_url"]), (Some("in_progress"), &Value::Null));
    let path = format!("/v1/messages/batches/{}", made["id"].as_str().expect("an id"));
    assert_eq!(ask(&mut peer, &get(&format!("{path}/results"))).await.status(), 404);
    let ended = object(&mut peer, &get(&path)).await;
    assert_eq!((ended["processing_status"].as_str(), &ended["request_counts"]["errored"]), (Some("ended"), &json!(1)));
    let results = ask(&mut peer, &get(&format!("{path}/results"))).await.body();
    let results: Vec<Value> = results
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect();
    let kinds: Vec<_> = results.iter().map(|line| (&line["custom_id"], &line["result"]["type"])).collect();
    assert_eq!(kinds, [(&json!("r1"), &json!("errored")), (&json!("r0"), &json!("succeeded"))]);
    assert_eq!(results[1]["result"]["message"]["model"], "claude-opus-5-5");
    assert_eq!(object(&mut peer, &delete(&path)).await["type"], "message_batch_deleted");
    assert_eq!(object(&mut peer, &get(&path)).await["error"]["type"], "not_found_error");
}

#[tokio::test]
async fn a_slow_batch_ends_when_it_is_cancelled() {
    let upstream = Upstream::start();
    let mut peer = connect(&upstream).await;
    let made = object(&mut peer, &post("/v1/messages/batches", &batch(&["stand-in-slow"]))).await;
    let path = format!("/v1/messages/batches/{}", made["id"].as_str().expect("an id"));
    assert_eq!(object(&mut peer, &get(&path)).await["processing_status"], "in_progress");
    assert_eq!(ask(&mut peer, &delete(&path)).await.status(), 400);
    let cancelled = object(&mut peer, &post(&format!("{path}/cancel"), "")).await;
    assert_eq!(cancelled["processing_status"], "canceling");
    assert_eq!(object(&mut peer, &get(&path)).await["request_counts"]["canceled"], 1);
}

#[tokio::test]
async fn a_file_comes_back_unchanged_and_lists_have_the_newest_first() {
    let upstream = Upstream::start();
    let mut peer = connect(&upstream).await;
    for name in ["a.txt", "b.txt", "c.txt"] {
        let body = format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/plain\r\n\r\nI am {name}\r\n--x--\r\n"
        );
        let file = object(&mut peer, &post("/v1/files", &body)).await;
        assert_eq!(
            (&file["filename"], &file["mime_type"], &file["size_bytes"]),
            (&json!(name), &json!("text/plain"), &json!(10))
        );
    }
    let newest = object(&mut peer, &get("/v1/files?limit=2")).await;
    assert_eq!((&newest["data"][0]["filename"], &newest["has_more"]), (&json!("c.txt"), &json!(true)));
    let last = newest["last_id"].as_str().expect("an id");
    let older = object(&mut peer, &get(&format!("/v1/files?after_id={last}"))).await;
    assert_eq!((&older["data"][0]["filename"], &older["has_more"]), (&json!("a.txt"), &json!(false)));
    let oldest = older["first_id"].as_str().expect("an id");
    let newer = object(&mut peer, &get(&format!("/v1/files?limit=1&before_id={oldest}"))).await;
    assert_eq!((&newer["data"][0]["filename"], &newer["has_more"]), (&json!("b.txt"), &json!(true)));
    assert_eq!(ask(&mut peer, &get(&format!("/v1/files/{oldest}/content"))).await.body(), b"I am a.txt");
    assert_eq!(object(&mut peer, &delete(&format!("/v1/files/{oldest}"))).await["type"], "file_deleted");
    assert_eq!(ask(&mut peer, &get(&format!("/v1/files/{oldest}/content"))).await.status(), 404);
}

fn batch(models: &[&str]) -> String {
    let request = |(number, model): (usize, &&str)| json!({ "custom_id": format!("r{number}"), "params": { "model": model, "max_tokens": 9, "messages": [] } });
    json!({ "requests": models.iter().enumerate().map(request).collect::<Vec<_>>() }).to_string()
}

async fn object(peer: &mut Wire, request: &str) -> Value {
    serde_json::from_slice(&ask(peer, request).await.body()).expect("JSON")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: stand-in\r\n\r\n")
}

fn delete(target: &str) -> String {
    format!("DELETE {target} HTTP/1.1\r\nhost: stand-in\r\n\r\n")
}
