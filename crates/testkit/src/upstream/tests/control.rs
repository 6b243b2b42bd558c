//! Tests of the control API.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::reply::{ask, connect, messages, post};
use crate::upstream::Upstream;

#[tokio::test]
async fn the_control_api_adds_a_script_and_shows_the_journal() {
    let upstream = Upstream::start();
    let mut peer = connect(&upstream).await;
    let headers = json!({ "retry-after": "1", "content-type": "text/odd" });
    let overloaded = json!({ "status": 529, "headers": headers, "body": { "type": "error" } });
    let answers = json!({ "answers": [overloaded, { "message": "hi", "spaced_ms": 1 }], "always": true });
    assert_eq!(ask(&mut peer, &post("/_stand_in/answers", &answers.to_string())).await.status(), 200);
    let first = ask(&mut peer, &messages("abc")).await;
    assert_eq!((first.status(), first.body()), (529, br#"{"type":"error"}"#.to_vec()));
    assert!(first.head.contains("\r\nretry-after: 1\r\n"));
    assert_eq!(first.head.matches("content-type: ").count(), 1, "{}", first.head);
    for _ in 0..2 {
        assert_eq!(ask(&mut peer, &messages("{}")).await.chunks.len(), 7);
    }

    let requests: Value = serde_json::from_slice(&ask(&mut peer, &get("requests")).await.body()).expect("JSON");
    assert_eq!(requests.as_array().map(Vec::len), Some(3));
    assert_eq!(requests[0]["body_base64"], STANDARD.encode("abc"));
    assert_eq!(requests[0]["headers"][0], json!(["host", "stand-in"]));
    let state: Value = serde_json::from_slice(&ask(&mut peer, &get("state")).await.body()).expect("JSON");
    assert_eq!(state, json!({ "connections": 1, "open_streams": 0, "abandoned": 0 }));

    ask(&mut peer, "DELETE /_stand_in/requests HTTP/1.1\r\n\r\n").await;
    assert!(upstream.requests().is_empty());
    assert_eq!(ask(&mut peer, &messages("{}")).await.status(), 400, "the script is cleared too");
}

#[tokio::test]
async fn a_wrong_script_is_refused_as_a_whole() {
    let upstream = Upstream::start();
    let mut peer = connect(&upstream).await;
    for wrong in [json!({ "stauts": 200 }), json!({ "status": 99 }), json!({ "message": "a", "body": "b" })] {
        let answers = json!({ "answers": [{ "status": 503 }, wrong] }).to_string();
        assert_eq!(ask(&mut peer, &post("/_stand_in/answers", &answers)).await.status(), 400, "{answers}");
    }
    assert_eq!(ask(&mut peer, &messages("{}")).await.status(), 400, "the default answer to an empty object");
}

fn get(control: &str) -> String {
    format!("GET /_stand_in/{control} HTTP/1.1\r\nhost: stand-in\r\n\r\n")
}
