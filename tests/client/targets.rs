//! The proxy serves `/v1` of one service: it is no open proxy, and two parsers in a row read the same requests.

use testkit::client::fake_service::{FakeService, Route};
use testkit::client::{Setup, TestClient};
use testkit::http::raw::{Raw, exchange};

async fn start() -> (FakeService, TestClient) {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    (service, client)
}

fn request(client: &TestClient, line: &str, rest: &str) -> String {
    format!("{line}\r\nhost: {}\r\nauthorization: {}\r\n{rest}", client.client.address, client.bearer())
}

#[tokio::test]
async fn a20_a21_a_target_other_than_a_plain_path_under_v1_is_refused() {
    let (service, client) = start().await;
    let elsewhere = FakeService::start().await;
    let own = client.url();
    for target in [
        &format!("GET {}/v1/models", elsewhere.url),
        &format!("GET {own}/v1/models"),
        &format!("CONNECT {}", elsewhere.url.strip_prefix("http://").unwrap()),
        "OPTIONS *",
        "GET //evil.example/v1/models",
        "GET /\\evil.example/v1",
        "GET @evil.example/v1/models",
        "GET /@evil.example/v1/models",
        "GET /v1/../admin",
        "GET /v1/..;/admin",
        "GET /v1/%2e%2e/admin",
        "GET /v1/%2E%2E%2Fadmin",
        "GET /v1%2fmodels",
        "GET /v1/models%0d%0ax-injected:%201",
        "GET /v1/models%00",
        "GET /v1/models/",
        "GET /v1/models/%5B1m%5D",
        "GET /v1/models/a%5B1m%5D/..",
        "GET /v1/messages%5B1m%5D",
        "GET /v1//models",
        "GET /V1/models",
        "GET /v1",
        "GET /admin",
        "GET /bootstrap",
        "POST /refresh",
        "GET /metrics",
        "GET http:/v1/models",
        "GET v1/models",
    ] {
        let bytes = request(&client, &format!("{target} HTTP/1.1"), "connection: close\r\n\r\n");
        let answer = exchange(&own, bytes).await;
        assert!((400..=405).contains(&answer.status) && answer.status != 401, "{target}: {answer:?}");
    }
    assert_eq!((service.count(Route::V1), service.tokens_asked(), elsewhere.connections()), (0, 1, 0));
}

#[tokio::test]
async fn a_model_for_a_long_context_is_asked_for_as_it_is_written() {
    let (service, client) = start().await;
    for ending in ["%5B1m%5D", "%5b1m%5d", "[1m]", ""] {
        let target = format!("/v1/models/claude-opus-5-5{ending}");
        let bytes = request(&client, &format!("GET {target} HTTP/1.1"), "connection: close\r\n\r\n");
        assert_eq!(exchange(&client.url(), bytes).await.status, 200, "{target}");
        assert_eq!(service.seen(Route::V1).last().map(|seen| seen.target.clone()), Some(target));
    }
}

#[tokio::test]
async fn a_fragment_does_not_reach_the_service() {
    let (service, client) = start().await;
    let bytes = request(&client, "GET /v1/models#frag HTTP/1.1", "connection: close\r\n\r\n");
    exchange(&client.url(), bytes).await;
    assert!(service.seen(Route::V1).iter().all(|seen| seen.target == "/v1/models"));
}

#[tokio::test]
async fn a22_an_ambiguous_message_never_becomes_two_requests() {
    let (service, client) = start().await;
    let inner = "POST /v1/smuggled HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    for (headers, body) in [
        ("content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n", "0\r\n\r\n"),
        ("content-length: 5\r\ncontent-length: 6\r\n\r\n", "hello"),
        ("content-length: 5, 6\r\n\r\n", "hello"),
        ("content-length: +5\r\n\r\n", "hello"),
        ("content-length: -1\r\n\r\n", ""),
        ("content-length: 0x5\r\n\r\n", "hello"),
        ("content-length: 99999999999999999999\r\n\r\n", "hello"),
        ("transfer-encoding: chunked, identity\r\n\r\n", "0\r\n\r\n"),
        ("transfer-encoding: identity, chunked\r\ncontent-length: 3\r\n\r\n", "0\r\n\r\n"),
        ("transfer-encoding: xchunked\r\n\r\n", "0\r\n\r\n"),
        ("transfer-encoding : chunked\r\n\r\n", "0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n\r\n", "-1\r\n\r\n"),
        ("transfer-encoding: chunked\r\n\r\n", "10000000000000001\r\nx\r\n0\r\n\r\n"),
        ("x: a\r\n folded: b\r\ncontent-length: 0\r\n\r\n", ""),
        (" x: a\r\ncontent-length: 0\r\n\r\n", ""),
        ("x\0y: a\r\ncontent-length: 0\r\n\r\n", ""),
        ("x: a\rb\r\ncontent-length: 0\r\n\r\n", ""),
    ] {
        let bytes = request(&client, "POST /v1/messages HTTP/1.1", headers) + body + inner;
        let before = service.count(Route::V1);
        let answer = answer_and_close(&client, bytes).await;
        let seen = &service.seen(Route::V1)[before..];
        assert!(seen.iter().all(|seen| seen.target != "/v1/smuggled"), "{headers:?}: {answer}");
        // A message with a length and chunks is read by its chunks (RFC 9112 §6.3): it is one request with no body.
        let by_chunks = headers.contains("chunked") && headers.contains("content-length");
        assert!(seen.is_empty() || (by_chunks && seen.len() == 1 && seen[0].body.is_empty()), "{headers:?}: {seen:?}");
        assert!(answer.is_empty() || by_chunks || answer.starts_with("HTTP/1.1 400"), "{headers:?}: {answer}");
    }
    assert_eq!(service.tokens_asked(), 1);
}

#[tokio::test]
async fn a22_no_request_is_lost_in_the_trailer_section_of_another() {
    let (service, client) = start().await;
    for (section, status) in [
        ("\n", 400),
        ("x: y\n\n", 200),
        ("x: y\r\n\r\n", 200),
        (" x\r\n\r\n", 400),
        ("no colon\r\n\r\n", 400),
        ("x\0: y\r\n\r\n", 400),
    ] {
        let rest = format!("transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n{section}");
        let hidden = request(&client, "GET /v1/hidden HTTP/1.1", "\r\n");
        let first = request(&client, "POST /v1/messages HTTP/1.1", &rest);
        let mut raw = Raw::connect(&client.url()).await;
        raw.send(format!("{first}{hidden}{hidden}")).await;
        let answers = raw.read_to_end().await;
        assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{section:?}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "the connection ends with it: {section:?}: {answers}");
    }
    let seen = service.seen(Route::V1);
    assert!(seen.len() == 2 && seen.iter().all(|seen| seen.target == "/v1/messages"), "{seen:?}");
}

/// Sends `bytes` and reads until the proxy closes: the inner request has the wrong Host, so the proxy refuses it.
async fn answer_and_close(client: &TestClient, bytes: String) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut raw = Raw::connect(&client.url()).await;
    raw.send(bytes).await;
    let mut stream = raw.into_inner();
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(10), stream.read_to_end(&mut answer));
    let _ = read.await.expect("the end within 10 s");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn chunks_with_extensions_and_trailers_arrive_as_a_plain_body() {
    let (service, client) = start().await;
    let rest = "transfer-encoding: chunked\r\ntrailer: x-trailer\r\nconnection: close, authorization\r\n\r\n\
        3;ext=\"a\"\r\nabc\r\n2\r\nde\r\n0\r\nx-trailer: 1\r\nauthorization: Bearer stolen\r\n\r\n";
    let answer = exchange(&client.url(), request(&client, "POST /v1/messages HTTP/1.1", rest)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = &service.seen(Route::V1)[0];
    assert_eq!(&seen.body[..], b"abcde");
    assert_eq!((seen.header("x-trailer"), seen.header("trailer")), (None, None));
    assert_eq!(seen.header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-1"));
}

#[tokio::test]
async fn requests_in_one_write_are_answered_in_order() {
    let (service, client) = start().await;
    let mut bytes = String::new();
    for number in 0..5 {
        let close = if number == 4 { "connection: close\r\n" } else { "" };
        let rest = format!("{close}content-length: 1\r\n\r\n{number}");
        bytes += &request(&client, "POST /v1/messages HTTP/1.1", &rest);
    }
    let mut raw = Raw::connect(&client.url()).await;
    raw.send(bytes).await;
    assert_eq!(raw.read_to_end().await.matches("HTTP/1.1 200 OK").count(), 5);
    let bodies: Vec<_> = service.seen(Route::V1).iter().map(|seen| seen.body[0]).collect();
    assert_eq!(bodies, b"01234");
}

#[tokio::test]
async fn the_launch_key_never_reaches_the_service() {
    let (service, client) = start().await;
    let key = client.key();
    for lines in
        ["", &format!("x-api-key: {key}\r\n"), &format!("proxy-authorization: Bearer {key}\r\ncookie: {key}\r\n")]
    {
        let rest = format!("{lines}connection: close\r\ncontent-length: 2\r\n\r\n{{}}");
        assert_eq!(exchange(&client.url(), request(&client, "POST /v1/messages HTTP/1.1", &rest)).await.status, 200);
    }
    client.client.refresher.ask(valetkey::client::refresh::Reason::Forced).await.unwrap();
    for route in [Route::Health, Route::Bootstrap, Route::Refresh, Route::V1] {
        let seen = format!("{:?}", service.seen(route));
        assert!(!seen.contains(&key), "{route:?}: {seen}");
    }
    assert_eq!(service.count(Route::V1), 3);
}
