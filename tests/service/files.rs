//! Files: each device has its own, and no request reaches another's.

use serde_json::json;
use valetkey::service::store::database::{ObjectKind, OwnedObject};

use crate::batches::{ask, id, ids, likeness, offering, on};
use testkit::http::{Answer, client, post, post_chunked, whole};
use testkit::legs::{Leg, assert_same};
use testkit::service::{REAL_KEY, TestService};
use testkit::stores::database::{TestDatabase, at, device};
use testkit::upstream::Upstream;

#[tokio::test]
async fn a_file_goes_up_and_comes_back_unchanged() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = offering(&upstream, |_| {});
        let token = service.token().await;
        for length in [0, 1000, 3 << 20] {
            let content: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
            let body = multipart(&content);
            let before = upstream.requests().len();
            let made = upload(&service, &token, body.clone()).await;
            assert_eq!((made.status, &made.json()["size_bytes"]), (200, &json!(length)), "{leg:?} {}", made.text());
            let received = &upstream.requests()[before];
            assert_same(&received.body, &body, (leg, length));
            assert_eq!(received.header("anthropic-beta"), Some("files-api-2025-04-14"));
            let path = format!("/v1/files/{}", id(&made));
            assert_eq!(ask(&service, &token, "GET", &path).await.json(), made.json());
            let content_again = ask(&service, &token, "GET", &format!("{path}/content")).await;
            assert_same(&content_again.body, &content, (leg, length));
        }
        let listed = ask(&service, &token, "GET", "/v1/files").await.json();
        assert_eq!((ids(&listed).len(), &listed["has_more"]), (3, &json!(false)));
        for name in ids(&listed) {
            let deleted = ask(&service, &token, "DELETE", &format!("/v1/files/{name}")).await;
            assert_eq!(deleted.json(), json!({ "id": name, "type": "file_deleted" }));
        }
        service.until(async || ids(&ask(&service, &token, "GET", "/v1/files").await.json()).is_empty()).await;
    }
}

#[tokio::test]
async fn a32_another_devices_file_is_as_unknown_as_one_that_never_was() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let (owner, other) = (service.token_for("device-0001").await, service.token_for("device-0002").await);
    let own = id(&upload(&service, &owner, multipart(b"secret")).await);
    let never = "file_stand_in_77";
    let before = upstream.requests().len();
    for (method, below) in [("GET", ""), ("DELETE", ""), ("GET", "/content")] {
        let at = |id: &str| format!("/v1/files/{id}{below}");
        let (foreign, unknown) = (at(&own), at(never));
        let (foreign, unknown) =
            tokio::join!(ask(&service, &other, method, &foreign), ask(&service, &other, method, &unknown));
        assert_eq!(foreign.status, 404, "{method} {below}");
        assert_eq!(likeness(&foreign, &own), likeness(&unknown, never), "{method} {below}");
        let asked = whole(client().request(method.parse().unwrap(), format!("{}{}", upstream.url(), at(never)))).await;
        assert_eq!(likeness(&unknown, never).1, likeness(&asked, never).1, "{method} {below}");
    }
    // A batch is no file, and has its own place.
    assert_eq!(ask(&service, &owner, "GET", &format!("/v1/messages/batches/{own}")).await.status, 404);
    let by_service = upstream.requests()[before..].iter().any(|one| one.header("x-api-key") == Some(REAL_KEY));
    assert!(!by_service);
    assert_eq!(ids(&ask(&service, &other, "GET", "/v1/files").await.json()), Vec::<String>::new());
    assert_eq!(ask(&service, &owner, "GET", &format!("/v1/files/{own}/content")).await.body, b"secret");
}

#[tokio::test]
async fn a32_no_request_reaches_another_devices_file() {
    let [plain, tls, http2] = Leg::ALL.map(nobody_reaches_what_another_has);
    tokio::join!(plain, tls, http2);
}

async fn nobody_reaches_what_another_has(leg: Leg) {
    let upstream = leg.upstream();
    let service = offering(&upstream, |_| {});
    let (owner, other) = (service.token_for("device-0001").await, service.token_for("device-0002").await);
    let own = id(&upload(&service, &owner, multipart(b"secret")).await);
    let before = upstream.requests().len();
    let filling = "x".repeat(1_200_000);
    for filling in ["", &filling] {
        for key in ["file_id", r"\u0066ile_id", r"file\u005FI\u0064", r"file_i\u0064"] {
            // The third is another key, and no file.
            let is_file = !key.contains('I');
            let message = format!(
                r#"{{"model":"claude-opus-5-5","x":"{filling}","messages":[{{"role":"user","content":[{{"type":"document","source":{{"{key}" : "{own}"}}}}]}}]}}"#
            );
            let batch = format!(r#"{{"requests":[{{"custom_id":"a","params":{message}}}]}}"#);
            let paths = ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches"];
            for (path, body) in paths.into_iter().zip([&message, &message, &batch]) {
                for answer in each_way(&service, &other, path, body).await {
                    let expected = if is_file { 404 } else { 200 };
                    assert_eq!(answer.status, expected, "{leg:?} {path} {key} {}", answer.text());
                    if is_file {
                        assert_eq!(answer.json()["error"]["message"], format!("File not found: {own}"));
                    }
                }
                for answer in each_way(&service, &owner, path, body).await {
                    assert_eq!(answer.status, 200, "{leg:?} {path} {key} {}", answer.text());
                }
            }
        }
    }
    upstream.wait_until("the end of all", |all| all.iter().all(|one| one.has_ended())).await;
    let complete = upstream.requests()[before..].iter().filter(|received| received.complete).count();
    // Of each body two ways: all of the owner's, and those that name no file.
    assert_eq!(complete, 2 * 2 * 3 * (4 + 1), "{leg:?}");
}

#[tokio::test]
async fn a32_the_file_that_a_refusal_names_is_unknown_however_many_others_the_body_names() {
    let (upstream, database) = (Upstream::start(), TestDatabase::sqlite());
    let service = offering(&upstream, on(&database));
    let token = service.token().await;
    let objects = database.open().await.owned_objects();
    let mut names = vec![json!({ "file_id": "file_100_unknown" })];
    for number in 0..700 {
        let file = OwnedObject {
            id: format!("file_{number:03}"),
            kind: ObjectKind::File,
            device: device(1),
            org: None,
            user: None,
            created_at: at(1000),
            look_at: None,
            missing_since: None,
        };
        objects.insert(&file).await.unwrap();
        names.push(json!({ "file_id": file.id }));
    }
    let count = async |names: &[serde_json::Value]| {
        let turns = json!([{ "role": "user", "content": names }]);
        let body = json!({ "model": "claude-opus-5-5", "messages": turns }).to_string();
        post(&service.at("/v1/messages/count_tokens"), &[("x-api-key", token.as_str())], body).await
    };
    let refused = count(&names).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["message"]),
        (404, &json!("File not found: file_100_unknown"))
    );
    assert_eq!(count(&names[1..]).await.status, 200);
}

#[tokio::test]
async fn a32_where_no_files_are_offered_no_request_may_name_one_that_no_answer_gave() {
    let [plain, tls, http2] = Leg::ALL.map(nobody_names_any);
    tokio::join!(plain, tls, http2);
}

async fn nobody_names_any(leg: Leg) {
    let upstream = leg.upstream();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let filling = "x".repeat(1_200_000);
    for filling in ["", &filling] {
        let body = |content: &str| {
            format!(
                r#"{{"model":"claude-opus-5-5","messages":[{{"role":"user","content":"{filling}"}}],"x":{content}}}"#
            )
        };
        for content in [r#"{"file_id":"file_011CNha8iCJcU1wXNR6q4V8w"}"#, r#"[{"file_i\u0064": "a"}]"#] {
            for answer in each_way(&service, &token, "/v1/messages", &body(content)).await {
                assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{leg:?} {content}");
            }
        }
        for content in [r#""\"file_id\": \"file_1\"""#, r#"{"file_id":null}"#, r#"["file_id","file_1"]"#] {
            for answer in each_way(&service, &token, "/v1/messages", &body(content)).await {
                assert_eq!(answer.status, 200, "{leg:?} {content} {}", answer.text());
            }
        }
    }
    upstream.wait_until("the end of all", |all| all.iter().all(|one| one.has_ended())).await;
    assert_eq!(upstream.requests().iter().filter(|received| received.complete).count(), 2 * 3 * 2, "{leg:?}");
}

#[tokio::test]
async fn a30_a_body_in_utf_16_is_refused() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let body: Vec<u8> = r#"{"file_id":"file_1"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let answer = service.messages(&token, body).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"));
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn f53_a_file_may_be_larger_than_a_message_and_no_larger_than_allowed() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |flags| {
        flags.set("MAX_PAYLOAD_SIZE", "1000");
        flags.set("MAX_FILE_SIZE", (4 << 20).to_string());
    });
    let token = service.token().await;
    let around = multipart(b"").len();
    assert_eq!(upload(&service, &token, multipart(&vec![b'x'; (4 << 20) - around])).await.status, 200);
    let too_large = multipart(&vec![b'x'; (4 << 20) - around + 1]);
    for answer in each_way_of(&service, &token, "/v1/files", &too_large).await {
        assert_eq!((answer.status, answer.error_code().as_str()), (413, "payload_too_large"));
    }
    assert_eq!(upstream.requests().iter().filter(|received| received.complete).count(), 1);
}

#[tokio::test]
async fn f37_a_file_that_cannot_be_kept_is_deleted() {
    let upstream = Upstream::start();
    let database = TestDatabase::sqlite();
    let service = offering(&upstream, on(&database));
    let token = service.token().await;
    let locked = database.lock().await;
    let answer = upload(&service, &token, multipart(b"secret")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "not_ready"));
    drop(locked);
    let sent: Vec<_> = upstream.requests().iter().map(|one| format!("{} {}", one.method, one.target)).collect();
    assert_eq!(sent, ["POST /v1/files", "DELETE /v1/files/file_stand_in_1"]);
    let taken_back = &upstream.requests()[1];
    assert_eq!((taken_back.header("anthropic-beta"), taken_back.body.len()), (Some("files-api-2025-04-14"), 0));
    assert_eq!(ids(&ask(&service, &token, "GET", "/v1/files").await.json()), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_upstream_refuses_is_nobodys() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let token = service.token().await;
    let refused = upload(&service, &token, b"no form".to_vec()).await;
    assert_eq!((refused.status, &refused.json()["error"]["message"]), (400, &json!("file: Field required")));
    assert_eq!(ids(&ask(&service, &token, "GET", "/v1/files").await.json()), Vec::<String>::new());
    let records = service.usage.wait_for(2).await;
    let routes: Vec<_> = records.iter().map(|record| (record.route, record.status)).collect();
    assert_eq!(routes, [("POST /v1/files", Some(400)), ("GET /v1/files", Some(200))]);
}

pub async fn upload(service: &TestService, token: &str, body: Vec<u8>) -> Answer {
    let bearer = format!("Bearer {token}");
    let kind = "multipart/form-data; boundary=x-boundary";
    let beta = ("anthropic-beta", "files-api-2025-04-14");
    post(&service.at("/v1/files"), &[("authorization", &bearer), ("content-type", kind), beta], body).await
}

pub fn multipart(content: &[u8]) -> Vec<u8> {
    let head = "--x-boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n";
    [head.as_bytes(), content, b"\r\n--x-boundary--\r\n"].concat()
}

/// The same body with a length and in chunks.
async fn each_way(service: &TestService, token: &str, path: &str, body: &str) -> [Answer; 2] {
    each_way_of(service, token, path, body.as_bytes()).await
}

async fn each_way_of(service: &TestService, token: &str, path: &str, body: &[u8]) -> [Answer; 2] {
    let headers = [("x-api-key", token)];
    let pieces = body.chunks(50_000).map(<[u8]>::to_vec).collect();
    let url = service.at(path);
    // At once, because an unknown file takes a second.
    tokio::join!(post(&url, &headers, body), post_chunked(&url, &headers, pieces)).into()
}
