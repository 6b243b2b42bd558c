//! Message batches: each device has its own, its models hold in them, and what they use is on record once.

use std::time::Duration;

use serde_json::{Value, json};
use valetkey::service::config::Flags;
use valetkey::service::store::database::ObjectKind;

use testkit::http::wire::Wire;
use testkit::http::{Answer as Received, client, get, post, post_chunked, request, whole};
use testkit::legs::Leg;
use testkit::service::{REAL_KEY, TestService};
use testkit::stores::database::{TestDatabase, device};
use testkit::upstream::{Answer, Gate, Options, Upstream};

#[tokio::test]
async fn batches_and_files_are_offered_only_when_they_are_turned_on() {
    let upstream = Upstream::start();
    let (off, on) = (TestService::before(&upstream), offering(&upstream, |_| {}));
    for (method, path) in [("GET", BATCHES), ("GET", "/v1/messages/batches/a/results"), ("DELETE", "/v1/files/a")] {
        let answer = ask(&off, &off.token().await, method, path).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (404, "route_unknown"), "{method} {path}");
    }
    let routes = async |service: &TestService| get(&service.at("/protocol"), &[]).await.json()["routes"].clone();
    assert_eq!(routes(&off).await.as_array().unwrap().len(), 4);
    assert!(routes(&on).await.as_array().unwrap().contains(&json!("GET /v1/messages/batches/{id}/results")));
    for path in ["/v1/messages/batches/a/b", "/v1/files/a/content/b", "/v1/skills", "/v1/files/a/b"] {
        let answer = ask(&on, &on.token().await, "GET", path).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (404, "route_unknown"), "{path}");
    }
    assert_eq!(ask(&on, &on.token().await, "PUT", "/v1/files").await.status, 405);
    assert_eq!(get(&on.at(BATCHES), &[]).await.error_code(), "token_missing");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_batch_is_made_looked_at_and_read_to_its_end() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = offering(&upstream, |_| {});
        let token = service.token().await;
        let body = batch(&["claude-opus-5-5", "claude-haiku-5-5"]);
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("anthropic-beta", "one-2026,two-2026")];
        let made = post(&service.at(&format!("{BATCHES}?beta=true")), &headers, body.clone()).await;
        assert_eq!((made.status, &made.json()["processing_status"]), (200, &json!("in_progress")), "{}", made.text());
        let received = &upstream.requests()[0];
        assert_eq!((received.target.as_str(), &received.body), ("/v1/messages/batches?beta=true", &body.into_bytes()));
        assert_eq!(received.header("anthropic-beta"), Some("one-2026,two-2026"));

        let path = format!("{BATCHES}/{}", id(&made));
        let ended = ask(&service, &token, "GET", &path).await;
        assert_eq!(ended.json()["processing_status"], "ended");
        // A client that follows it stays here, with its token.
        assert_eq!(ended.json()["results_url"], format!("{path}/results"));
        assert!(ended.header("request-id").unwrap().starts_with("req_stand_in_") && ended.header("cf-ray").is_none());
        let results = ask(&service, &token, "GET", ended.json()["results_url"].as_str().unwrap()).await;
        assert_eq!((results.status, results.text().lines().count()), (200, 2), "{leg:?}");
        assert_eq!(results.header("content-type"), Some("application/x-jsonl"));
        assert_eq!(ask(&service, &token, "DELETE", &path).await.json()["type"], "message_batch_deleted");
        service.until(async || ask(&service, &token, "GET", &path).await.status == 404).await;
    }
}

#[tokio::test]
async fn a32_another_devices_batch_is_as_unknown_as_one_that_never_was() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let (owner, other) = (service.token_for("device-0001").await, service.token_for("device-0002").await);
    let made = make(&service, &owner, &batch(&["stand-in-slow"])).await;
    let (own, never) = (id(&made), "msgbatch_stand_in_77");
    let before = upstream.requests().len();
    for (method, below) in [("GET", ""), ("DELETE", ""), ("GET", "/results"), ("POST", "/cancel")] {
        let at = |id: &str| format!("{BATCHES}/{id}{below}");
        let foreign = ask(&service, &other, method, &at(&own)).await;
        let unknown = ask(&service, &other, method, &at(never)).await;
        assert_eq!(foreign.status, 404, "{method} {below}");
        assert_eq!(likeness(&foreign, &own), likeness(&unknown, never), "{method} {below}");
        // What the upstream itself says of an id that it does not know.
        let asked = whole(client().request(method.parse().unwrap(), format!("{}{}", upstream.url(), at(never)))).await;
        assert_eq!(likeness(&unknown, never).1, likeness(&asked, never).1, "{method} {below}");
        assert_eq!(unknown.header("x-valetkey-error"), None);
    }
    let by_service: Vec<_> =
        upstream.requests()[before..].iter().filter(|one| one.header("x-api-key") == Some(REAL_KEY)).cloned().collect();
    assert!(by_service.is_empty(), "{by_service:?}");
    let cancelled = ask(&service, &owner, "POST", &format!("{BATCHES}/{own}/cancel")).await;
    assert_eq!((cancelled.status, &cancelled.json()["processing_status"]), (200, &json!("canceling")));
}

#[tokio::test]
async fn a32_a_list_has_what_its_device_has_made_and_its_pages_are_true() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let (owner, other) = (service.token_for("device-0001").await, service.token_for("device-0002").await);
    let empty = ask(&service, &owner, "GET", BATCHES).await.json();
    assert_eq!(empty, json!({ "data": [], "has_more": false, "first_id": null, "last_id": null }));
    let mut own = Vec::new();
    for number in 0..25 {
        service.clock.advance(Duration::from_millis(1));
        let made = make(&service, if number % 5 == 4 { &other } else { &owner }, &batch(&["claude-opus-5-5"])).await;
        if number % 5 != 4 {
            own.insert(0, id(&made));
        }
    }
    let (mut pages, mut query) = (Vec::new(), String::from("?limit=7"));
    loop {
        let page = ask(&service, &owner, "GET", &format!("{BATCHES}{query}")).await.json();
        let ids = ids(&page);
        assert_eq!((&page["first_id"], &page["last_id"]), (&json!(ids[0]), &json!(ids[ids.len() - 1])));
        query = format!("?limit=7&after_id={}", ids[ids.len() - 1]);
        pages.push(ids);
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!((pages.iter().map(Vec::len).collect::<Vec<_>>(), pages.concat()), (vec![7, 7, 6], own.clone()));
    let newer = ask(&service, &owner, "GET", &format!("{BATCHES}?limit=3&before_id={}", own[10])).await.json();
    assert_eq!((ids(&newer), &newer["has_more"]), (own[7..10].to_vec(), &json!(true)));
    let newest = ask(&service, &owner, "GET", &format!("{BATCHES}?limit=9&before_id={}", own[2])).await.json();
    assert_eq!((ids(&newest), &newest["has_more"]), (own[..2].to_vec(), &json!(false)));
    assert!(newest["data"][0]["results_url"].as_str().unwrap().starts_with(BATCHES), "{newest}");
    // What others have is no place to begin.
    let foreign = ask(&service, &other, "GET", &format!("{BATCHES}?after_id={}", own[0])).await;
    assert_eq!((foreign.status, &foreign.json()["error"]["type"]), (404, &json!("not_found_error")));
    for query in ["?limit=0", "?limit=x", "?after_id=a&before_id=b", "?status=ended"] {
        assert_eq!(ask(&service, &owner, "GET", &format!("{BATCHES}{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn what_the_upstream_no_longer_knows_is_left_out_of_a_list() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let token = service.token().await;
    let mut own = Vec::new();
    for _ in 0..4 {
        service.clock.advance(Duration::from_millis(1));
        own.insert(0, id(&make(&service, &token, &batch(&["claude-opus-5-5"])).await));
    }
    let gone = format!("{}{BATCHES}/{}", upstream.url(), own[1]);
    get(&gone, &[]).await; // it ends, so that it can be deleted
    assert_eq!(whole(client().delete(&gone)).await.status, 200);
    let page = ask(&service, &token, "GET", &format!("{BATCHES}?limit=2")).await.json();
    assert_eq!((ids(&page), &page["has_more"]), (vec![own[0].clone(), own[2].clone()], &json!(true)));
}

#[tokio::test]
async fn a30_every_model_in_a_batch_must_be_allowed() {
    let allow = |flags: &mut Flags| flags.set("ALLOWED_MODELS", "claude-haiku-*");
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = offering(&upstream, allow);
        let token = service.token().await;
        let filling = "x".repeat(1_200_000);
        for (models, code) in [
            (r#"{"params":{"model":"claude-opus-5-5"}}"#, "model_not_allowed"),
            (r#"{"params":{"model":"claude-haiku-5-5","\u006dodel":"claude-opus-5-5"}}"#, "model_ambiguous"),
            (r#"{"params":{"model":"claude-haiku-5-5"},"params":{"model":"claude-opus-5-5"}}"#, "model_ambiguous"),
            (r#"{"params":{}}"#, "model_ambiguous"),
            (r#"{}"#, "model_ambiguous"),
            (
                r#"{"params":{"model":"claude-haiku-5-5","fallbacks":[{"tools":[{"model":"claude-opus-5-5"}]}]}}"#,
                "model_not_allowed",
            ),
            (
                r#"{"params":{"model":"claude-haiku-5-5","messages":[{"content":[{"tool":{"model":"claude-opus-5-5"}}]}]}}"#,
                "model_not_allowed",
            ),
            (r#"{"params":{"model":"claude-haiku-5-5","tools":[[{"model":"claude-haiku-5-5"}]]}}"#, "model_ambiguous"),
            (r#"{"params":{"model":"claude-haiku-5-5"}}],"requests":[{"params":{"model":"a"}}"#, "model_ambiguous"),
        ] {
            for filling in ["", &filling] {
                let good = format!(r#"{{"custom_id":"a","params":{{"model":"claude-haiku-5-5","x":"{filling}"}}}}"#);
                let body = format!(r#"{{"requests":[{good},{models}]}}"#);
                let headers = [("x-api-key", token.as_str())];
                let pieces = body.as_bytes().chunks(50_000).map(<[u8]>::to_vec).collect();
                for answer in [
                    post(&service.at(BATCHES), &headers, body.clone()).await,
                    post_chunked(&service.at(BATCHES), &headers, pieces).await,
                ] {
                    let expected = (400, code.to_owned());
                    assert_eq!((answer.status, answer.error_code()), expected, "{leg:?} {models} {}", filling.len());
                }
            }
        }
        upstream.wait_until("the end of all", |all| all.iter().all(|one| one.has_ended())).await;
        assert!(upstream.requests().iter().all(|received| !received.complete), "{leg:?}");
        let good = make(&service, &token, &batch(&["claude-haiku-5-5", "claude-haiku-4-5"])).await;
        assert_eq!(good.status, 200, "{}", good.text());
    }
}

#[tokio::test]
async fn a30_a_compressed_batch_is_refused() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let token = service.token().await;
    let headers = [("x-api-key", token.as_str()), ("content-encoding", "gzip")];
    let answer = post(&service.at(BATCHES), &headers, "x").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (415, "encoding_unsupported"));
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn f53_a_batch_may_be_larger_than_a_message_and_no_larger_than_allowed() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |flags| {
        flags.set("MAX_PAYLOAD_SIZE", "1000");
        flags.set("MAX_BATCH_SIZE", (4 << 20).to_string());
    });
    let token = service.token().await;
    let of_size = |size: usize| {
        let (start, end) = (r#"{"requests":[],"x":""#, r#""}"#);
        format!("{start}{}{end}", "x".repeat(size - start.len() - end.len()))
    };
    assert_eq!(make(&service, &token, &of_size(4 << 20)).await.status, 200);
    let too_large = of_size((4 << 20) + 1);
    let pieces = too_large.as_bytes().chunks(100_000).map(<[u8]>::to_vec).collect();
    let chunked = post_chunked(&service.at(BATCHES), &[("x-api-key", token.as_str())], pieces).await;
    for answer in [make(&service, &token, &too_large).await, chunked] {
        assert_eq!((answer.status, answer.error_code().as_str()), (413, "payload_too_large"));
    }
    assert_eq!(upstream.requests().iter().filter(|received| received.complete).count(), 1);
    assert_eq!(service.messages(&token, "x".repeat(1001)).await.status, 413);
}

#[tokio::test]
async fn results_are_on_record_once_however_often_they_are_read_at_half_the_price() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let token = service.token().await;
    let made = make(&service, &token, &batch(&["claude-opus-5-5", "claude-haiku-5-5", "gpt-4"])).await;
    let path = format!("{BATCHES}/{}", id(&made));
    ask(&service, &token, "GET", &path).await;
    let results = format!("{path}/results");
    let (one, other) = tokio::join!(ask(&service, &token, "GET", &results), ask(&service, &token, "GET", &results));
    assert_eq!((one.status, one.body.len()), (200, other.body.len()));
    service.until(async || items(&service).await.len() == 3).await;
    ask(&service, &token, "GET", &results).await;
    // Records are written in their order: when that of another batch is there, no more of this one come.
    let last = format!("{BATCHES}/{}", id(&make(&service, &token, &batch(&["claude-sonnet-5-5"])).await));
    ask(&service, &token, "GET", &last).await;
    ask(&service, &token, "GET", &format!("{last}/results")).await;
    let is_last = |item: &Value| item["model_answered"] == "claude-sonnet-5-5";
    service.until(async || items(&service).await.iter().any(is_last)).await;
    let items = items(&service).await;
    assert_eq!(items.len(), 4, "{items:?}");
    assert!(items.iter().all(|item| item["device_id"] == "device-0001"), "{items:?}");
    let of = |model: &str| items.iter().find(|item| item["model_answered"] == model).unwrap();
    let input = of("claude-opus-5-5")["input_tokens"].as_f64().unwrap();
    let output = of("claude-opus-5-5")["output_tokens"].as_f64().unwrap();
    // Of $4 and $20 for a million.
    let expected = (input * 4.0 + output * 20.0) / 2.0 / 1e6;
    let cost = of("claude-opus-5-5")["cost_usd"].as_f64().unwrap();
    assert!((cost - expected).abs() < 2e-6, "{cost} {expected}");
    let failed = items.iter().find(|item| item["ended"] == "error").unwrap();
    assert_eq!((&failed["input_tokens"], &failed["cost_usd"]), (&json!(0), &Value::Null));
    assert!(items.iter().all(|item| item["cost_certainty"] == "exact"), "what failed costs nothing: {items:?}");
}

#[tokio::test]
async fn a_batch_that_nobody_reads_is_on_record_some_time_after_its_end() {
    // Only the real key is let in, so who looks after batches has it.
    let upstream = Upstream::start_with(Options { key: Some(REAL_KEY.into()), ..Options::default() });
    let service = offering(&upstream, |_| {});
    let token = service.token().await;
    make(&service, &token, &batch(&["claude-opus-5-5"])).await;
    service.clock.advance(Duration::from_secs(2 * 3600));
    service.until(async || items(&service).await.len() == 1).await;
    // A batch that goes on is looked at and waits.
    make(&service, &token, &batch(&["stand-in-slow"])).await;
    service.clock.advance(Duration::from_secs(1800));
    let looks = |all: &[testkit::upstream::Received]| {
        all.iter().any(|one| one.method == "GET" && one.target == format!("{BATCHES}/msgbatch_stand_in_2"))
    };
    upstream.wait_until("a look at the slow one", looks).await;
    assert_eq!(items(&service).await.len(), 1);
}

#[tokio::test]
async fn a_batch_is_on_record_before_it_is_deleted_and_not_deleted_before_its_end() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let token = service.token().await;
    let path =
        format!("{BATCHES}/{}", id(&make(&service, &token, &batch(&["stand-in-slow", "claude-opus-5-5"])).await));
    let early = ask(&service, &token, "DELETE", &path).await;
    assert_eq!((early.status, early.error_code().as_str()), (400, "request_invalid"));
    assert_eq!(ask(&service, &token, "POST", &format!("{path}/cancel")).await.status, 200);
    assert_eq!(ask(&service, &token, "DELETE", &path).await.status, 200);
    let ended: Vec<_> = items(&service).await.iter().map(|item| item["ended"].clone()).collect();
    assert_eq!(ended.len(), 2);
    assert!(ended.contains(&json!("complete")) && ended.contains(&json!("cancelled")), "{ended:?}");
    assert!(!upstream.requests().iter().any(|one| one.method == "DELETE" && one.target.contains("results")));
}

#[tokio::test]
async fn f37_what_cannot_be_kept_is_taken_back_and_its_name_told_to_nobody() {
    let upstream = Upstream::start();
    let database = TestDatabase::sqlite();
    let service = offering(&upstream, on(&database));
    let token = service.token().await;
    let locked = database.lock().await;
    let answer = make(&service, &token, &batch(&["stand-in-slow"])).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "not_ready"));
    assert!(!answer.text().contains("msgbatch"), "{}", answer.text());
    let sent: Vec<_> = upstream.requests().iter().map(|one| format!("{} {}", one.method, one.target)).collect();
    assert_eq!(sent, [format!("POST {BATCHES}"), format!("POST {BATCHES}/msgbatch_stand_in_1/cancel")]);
    drop(locked);
    assert_eq!(make(&service, &token, &batch(&["claude-opus-5-5"])).await.status, 200);
}

#[tokio::test]
async fn a_batch_belongs_to_its_device_also_when_the_client_leaves_before_the_answer() {
    let upstream = Upstream::start();
    let database = TestDatabase::sqlite();
    let service = offering(&upstream, on(&database));
    let token = service.token().await;
    let gate = Gate::new();
    let late = Answer::json(200, json!({ "id": "msgbatch_late", "type": "message_batch" }));
    upstream.answer_next(late.hold_before_head(gate.clone()));
    let mut wire = Wire::connect(&service.url).await;
    wire.send(testkit::http::wire::post(BATCHES, &token, &[], &batch(&["claude-opus-5-5"]))).await;
    upstream.wait_for_requests(1).await;
    drop(wire);
    gate.open();
    let objects = database.open().await.owned_objects();
    let is_kept = async || objects.find(&device(1), ObjectKind::Batch, "msgbatch_late").await.unwrap().is_some();
    service.until(is_kept).await;
}

#[tokio::test]
async fn a_batch_counts_as_one_request_and_looking_at_it_as_none() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |flags| flags.set("RATE_LIMIT_MAX", "2"));
    let token = service.token().await;
    let made = make(&service, &token, &batch(&["claude-opus-5-5"])).await;
    for _ in 0..5 {
        assert_eq!(ask(&service, &token, "GET", &format!("{BATCHES}/{}", id(&made))).await.status, 200);
    }
    assert_eq!(make(&service, &token, &batch(&["claude-opus-5-5"])).await.status, 200);
    assert_eq!(make(&service, &token, &batch(&["claude-opus-5-5"])).await.error_code(), "rate_limited");
}

/// A service that offers batches and files, with settings changed by `adjust`.
pub fn offering(upstream: &Upstream, adjust: impl FnOnce(&mut Flags)) -> TestService {
    TestService::before_with(upstream, |flags| {
        flags.set("BATCHES_AND_FILES", "on");
        adjust(flags);
    })
}

/// Keeps everything in this database.
pub fn on(database: &TestDatabase) -> impl FnOnce(&mut Flags) + use<> {
    let url = format!("sqlite:{}", database.file().display());
    move |flags| flags.set("DATABASE_URL", url)
}

/// A request without a body.
pub async fn ask(service: &TestService, token: &str, method: &str, path: &str) -> Received {
    request(method, &service.at(path), &[("authorization", &format!("Bearer {token}"))]).await
}

/// The `id` of what an answer describes.
pub fn id(answer: &Received) -> String {
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("no id: {}", answer.text())).to_owned()
}

/// The ids on a page.
pub fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
}

/// An answer without what differs from request to request: the headers that are ours to choose, and the body.
pub fn likeness(answer: &Received, id: &str) -> (Vec<String>, Value) {
    let mut names: Vec<_> = answer.headers.keys().map(|name| name.to_string()).collect();
    names.sort_unstable();
    let mut body: Value = serde_json::from_str(&answer.text().replace(id, "ID")).unwrap();
    body["request_id"] = Value::Null;
    (names, body)
}

async fn make(service: &TestService, token: &str, body: &str) -> Received {
    post(&service.at(BATCHES), &[("authorization", &format!("Bearer {token}"))], body).await
}

fn batch(models: &[&str]) -> String {
    let request = |(number, model): (usize, &&str)| {
        let messages = json!([{ "role": "user", "content": format!("number {number}") }]);
        json!({ "custom_id": format!("r{number}"), "params": { "model": model, "max_tokens": 9, "messages": messages } })
    };
    json!({ "requests": models.iter().enumerate().map(request).collect::<Vec<_>>() }).to_string()
}

/// What is on record of requests in batches.
async fn items(service: &TestService) -> Vec<Value> {
    let listed = service.admin("GET", "/admin/requests?limit=1000", None).await.json();
    let items = listed["items"].as_array().unwrap().iter();
    items.filter(|item| item["route"] == "message batch").cloned().collect()
}

const BATCHES: &str = "/v1/messages/batches";
