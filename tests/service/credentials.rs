//! Who is admitted to `/v1`, and that nobody else causes a request upstream.

use std::time::Duration;

use testkit::http::wire::Wire;
use testkit::http::{Answer, client};
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test]
async fn a28_a_token_is_good_in_either_header_and_in_both() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let bearer = format!("Bearer {token}");
    for headers in [
        vec![("authorization", bearer.as_str())],
        vec![("x-api-key", token.as_str())],
        vec![("authorization", &bearer), ("x-api-key", &token)],
        vec![("authorization", &bearer), ("x-api-key", "sk-ant-api03-of-the-caller")],
        vec![("authorization", "Bearer of-the-caller"), ("x-api-key", &token)],
    ] {
        assert_eq!(ask(&service, &headers).await.status, 200, "{headers:?}");
    }
    assert_eq!(upstream.requests().len(), 5);
}

#[tokio::test]
async fn a09_a27_everything_else_is_a_401_that_reaches_nobody() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let other = service.token_for("device-0002").await;
    let bare = token.strip_prefix("sk-ant-proxy-").unwrap();
    let (bearer, basic) = (format!("Bearer {token}"), format!("Basic {token}"));
    let (without_prefix, doubled) = (format!("Bearer {bare}"), format!("Bearer sk-ant-proxy-{token}"));
    let (list, altered) = (format!("Bearer {token}, {token}"), format!("{bearer}x"));
    let two_tokens = vec![("authorization", bearer.as_str()), ("x-api-key", other.as_str())];
    for headers in [
        vec![],
        vec![("authorization", "")],
        vec![("authorization", "Bearer")],
        vec![("authorization", "Bearer sk-ant-proxy-")],
        vec![("authorization", &basic)],
        vec![("authorization", &without_prefix)],
        vec![("authorization", &doubled)],
        vec![("authorization", &list)],
        vec![("authorization", &altered)],
        vec![("authorization", &bearer), ("authorization", &bearer)],
        vec![("x-api-key", &token), ("x-api-key", &token)],
        vec![("x-api-key", bare)],
        vec![("x-api-key", "sk-ant-api03-canary-real-key")],
        two_tokens,
        vec![("cookie", &token)],
    ] {
        let answer = ask(&service, &headers).await;
        assert_eq!(answer.status, 401, "{headers:?}");
        assert_eq!(answer.json()["error"]["type"], "authentication_error");
        assert!(matches!(answer.error_code().as_str(), "token_missing" | "token_invalid"), "{headers:?}");
        assert_eq!(answer.header("x-proxy-token-expired"), None);
        assert!(!answer.text().contains("x-api-key"), "{}", answer.text());
    }
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
}

#[tokio::test]
async fn a27_a_credential_that_two_readers_could_read_differently_is_none() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let (token, other) = (service.token().await, service.token_for("device-0002").await);
    for lines in [
        format!("authorization: Bearer\r\n {token}\r\n"),
        format!("authorization:\r\n\tBearer {token}\r\n"),
        format!("authorization : Bearer {token}\r\n"),
        format!("authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
        format!("authorization: Bearer {token}\r\nAUTHORIZATION: Bearer {other}\r\n"),
        format!("authorization: Bearer {token}\r\nauthorization: Basic dTpw\r\n"),
        format!("x-api-key: {token}\r\nX-Api-Key: {token}\r\n"),
        format!("authorization: Bearer {token}\r\nx-api-key: {other}\r\n"),
        format!("authorization: Basic {token}\r\nx-api-key: {token}\r\n"),
        format!("authorization: Bearer {token}, Bearer {other}\r\n"),
        format!("authorization: Bearer {token} {other}\r\n"),
        format!("authorization: Bearer {token}\tx\r\n"),
        format!("authorization: Bearer\t{token}\r\n"),
        format!("authorization: Digest {token}\r\n"),
        format!("x-api-key: Bearer {token}\r\n"),
        format!("x_api_key: {token}\r\n"),
    ] {
        let mut wire = Wire::connect(&service.url).await;
        let length = BODY.len();
        let head = format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{lines}");
        wire.send(format!("{head}content-length: {length}\r\n\r\n{BODY}")).await;
        let came = String::from_utf8_lossy(&wire.rest().await.0).into_owned();
        assert!(came.starts_with("HTTP/1.1 401 ") || came.starts_with("HTTP/1.1 400 "), "{lines:?}: {came}");
    }
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
}

#[tokio::test]
async fn an_expired_token_is_a_401_with_the_hint_to_refresh() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    service.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    service.clock.advance(Duration::from_secs(1));
    let answer = service.messages(&token, BODY).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "token_expired"));
    assert_eq!(answer.header("x-proxy-token-expired"), Some("true"));
    assert_eq!((answer.header("x-should-retry"), answer.header("cache-control")), (Some("false"), Some("no-store")));
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_stream_that_crosses_the_end_of_its_token_finishes() {
    use testkit::upstream::{Answer, Gate};
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let gate = Gate::new();
    upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
    let answer = service.open(&token, BODY).await;
    service.clock.advance(Duration::from_secs(48 * 3600));
    gate.open();
    assert!(answer.bytes().await.unwrap().ends_with(b"{\"type\":\"message_stop\"}\n\n"));
}

#[tokio::test]
async fn a08_a15_every_fault_of_a_token_but_its_age_reads_alike() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let stranger = TestService::start_with(&upstream.url(), |flags| {
        flags.set("JWT_SECRET", "another secret of another service");
    });
    let other_audience = TestService::start_with(&upstream.url(), |flags| flags.set("TOKEN_ISSUER", "staging"));
    let token = service.token().await;
    let mut answers = Vec::new();
    for token in [
        stranger.token().await,
        other_audience.token().await,
        altered(&token),
        "sk-ant-proxy-a.b.c".to_owned(),
        "sk-ant-proxy-x".to_owned(),
    ] {
        let answer = service.messages(&token, BODY).await;
        let text = answer.text().replace(answer.header("request-id").unwrap(), "");
        answers.push((answer.status, text, answer.header("x-valetkey-error").map(str::to_owned)));
    }
    assert_eq!(answers[0].0, 401);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

/// The same token with another last character.
fn altered(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "A" { "E" } else { "A" })
}

#[tokio::test]
async fn a09_a_token_of_a_megabyte_is_refused_unread() {
    let service = TestService::start("http://127.0.0.1:9");
    let token = format!("sk-ant-proxy-{}", "x".repeat(1 << 20));
    let mut wire = Wire::connect(&service.url).await;
    let _ = wire.try_send(testkit::http::wire::messages(&token, BODY)).await;
    let (came, _) = wire.rest().await;
    assert!(came.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&came));
    let token = format!("sk-ant-proxy-{}", "x".repeat(10_000));
    assert_eq!(service.messages(&token, BODY).await.error_code(), "token_invalid");
}

async fn ask(service: &TestService, headers: &[(&str, &str)]) -> Answer {
    let mut request = client().post(service.at("/v1/messages")).body(BODY);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
