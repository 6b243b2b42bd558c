//! A request through the loopback proxy: the wrapper token in place of the launch key, and nothing else changed.

use std::time::Duration;

use testkit::client::Setup;
use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::http;
use testkit::http::forwarder::Forwarder;
use testkit::http::raw::{Raw, exchange};
use valetkey::client::refresh::Reason;

#[tokio::test]
async fn a_request_arrives_whole_but_for_credentials_and_hop_headers() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let headers = [
        ("x-api-key", client.key()),
        ("anthropic-beta", "a-2027,b".into()),
        ("anthropic-version", "2026-10-21".into()),
        ("x-stainless-retry-count", "0".into()),
        ("user-agent", "claude-cli/3".into()),
        ("accept-encoding", "gzip, br".into()),
        ("cookie", "a=b".into()),
        ("x-forwarded-for", "10.0.0.1".into()),
        ("connection", "x-private".into()),
        ("x-private", "1".into()),
    ];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = http::post(&format!("{}/v1/messages?beta=true&x=%2e", client.url()), &headers, body.clone()).await;
    assert_eq!(answer.status, 200);
    let seen = &service.seen(Route::V1)[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/messages?beta=true&x=%2e"));
    assert!(seen.body == body);
    for (name, value) in &headers[1..6] {
        assert_eq!(seen.header(name), Some(*value));
    }
    for name in ["x-api-key", "cookie", "x-forwarded-for", "connection", "x-private"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
    assert!(seen.header("authorization").unwrap().starts_with("Bearer sk-ant-proxy-canary-wrapper-"));
}

#[tokio::test]
async fn a22_a_body_in_another_transfer_coding_than_chunks_is_refused() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for (codings, status) in [
        ("transfer-encoding: chunked", 200),
        ("transfer-encoding: gzip, chunked", 400),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked", 400),
    ] {
        let (host, key) = (client.url().trim_start_matches("http://").to_owned(), client.key());
        let head =
            format!("POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\nconnection: close\r\n{codings}");
        let answer = exchange(&client.url(), format!("{head}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n")).await;
        assert_eq!(answer.status, status, "{codings}");
    }
    assert_eq!(service.seen(Route::V1).len(), 1);
}

#[tokio::test]
async fn an_answer_comes_back_unchanged_but_for_cookies_and_cors_headers() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for status in [200, 400, 404, 413, 429, 500, 529] {
        let body: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let say = Say::bytes(status, body.clone())
            .header("content-type", "application/x-odd")
            .header("content-encoding", "zstd")
            .header("request-id", "req_upstream")
            .header("retry-after", "3")
            .header("set-cookie", "a=b")
            .header("access-control-allow-origin", "*");
        service.once(Route::V1, say);
        let answer = client.messages("hello").await;
        assert_eq!((answer.status, answer.header("request-id")), (status, Some("req_upstream")));
        assert!(answer.body == body);
        assert_eq!((answer.header("content-encoding"), answer.header("retry-after")), (Some("zstd"), Some("3")));
        assert_eq!((answer.header("set-cookie"), answer.header("access-control-allow-origin")), (None, None));
    }
    assert_eq!((service.count(Route::V1), service.tokens_asked()), (7, 1));
}

#[tokio::test]
async fn probes_are_answered_by_the_proxy_without_a_launch_key() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for (method, path) in [("HEAD", "/"), ("HEAD", "/api/hello"), ("GET", "/healthz"), ("GET", "/")] {
        let answer = http::request(method, &format!("{}{path}", client.url()), &[]).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{method} {path}");
    }
    let answer = http::request("POST", &format!("{}/healthz", client.url()), &[]).await;
    assert_eq!(answer.status, 404);
    assert_eq!((service.count(Route::V1), service.count(Route::Health)), (0, 1));
}

#[tokio::test]
async fn a40_a_redirect_is_passed_on_and_not_followed() {
    let (service, elsewhere) = (FakeService::start().await, FakeService::start().await);
    let client = Setup::new(&service.url).start().await;
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/v1/messages", elsewhere.url);
        service.once(Route::V1, Say::bytes(status, "").header("location", &target));
        let call = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let call = call.post(format!("{}/v1/messages", client.url())).header("authorization", client.bearer());
        let answer = http::whole(call).await;
        assert_eq!((answer.status, answer.header("location")), (status, Some(target.as_str())));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn f54_an_app_that_leaves_mid_stream_closes_the_connection_to_the_service() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::V1, Say::open_stream(&["event: ping\n\n"]));
    let mut raw = Raw::connect(&client.url()).await;
    raw.send(request(&client.bearer(), &client.url())).await;
    raw.read_until("event: ping").await;
    let left = std::time::Instant::now();
    drop(raw);
    let noticed = service.wait_for_gone().await.duration_since(left);
    assert!(noticed <= Duration::from_millis(250), "{noticed:?}");
}

#[tokio::test]
async fn f54_an_app_that_leaves_before_the_first_byte_closes_the_connection_to_the_service() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::V1, Say::hang());
    let mut raw = Raw::connect(&client.url()).await;
    raw.send(request(&client.bearer(), &client.url())).await;
    service.wait_for(Route::V1, 1).await;
    let left = std::time::Instant::now();
    drop(raw);
    let noticed = service.wait_for_gone().await.duration_since(left);
    assert!(noticed <= Duration::from_millis(250), "{noticed:?}");
}

#[tokio::test]
async fn f06_a_stream_ends_abnormally_for_the_app_when_the_service_breaks_off() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::V1, Say::cut_stream(&["event: message_start\n\n", "event: pi"]));
    let mut raw = Raw::connect(&client.url()).await;
    raw.send(request(&client.bearer(), &client.url())).await;
    let text = raw.read_to_end().await;
    assert!(text.contains("event: message_start\n\n") && text.contains("event: pi"), "{text}");
    assert!(!text.contains("message_stop") && !text.ends_with("0\r\n\r\n"), "{text}");
    // The next request is not affected.
    assert_eq!(client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn a_cut_before_the_answer_is_a_503_and_the_request_is_not_repeated() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    assert_eq!(client.messages("one").await.status, 200);
    service.once(Route::V1, Say::cut());
    let answer = client.messages("two").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "upstream_dropped"));
    assert_eq!((service.count(Route::V1), answer.header("x-should-retry")), (2, Some("true")));
}

#[tokio::test]
async fn f81_the_first_request_after_a_sleep_goes_over_a_new_connection() {
    let service = FakeService::start().await;
    let forwarder = Forwarder::to(service.url.rsplit_once(':').unwrap().1.parse().unwrap());
    let client = Setup::new(&format!("http://127.0.0.1:{}", forwarder.port())).start().await;
    assert_eq!(client.messages("before").await.status, 200);
    forwarder.freeze();
    client.clock.advance(Duration::from_secs(70));
    assert!(client.messages_at_once(10).await.iter().all(|answer| answer.status == 200));
    client.client.refresher.ask(Reason::Forced).await.unwrap();
}

#[tokio::test]
async fn f62_a_closing_client_lets_streams_go_on_until_the_limit_and_then_ends_them() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::V1, Say::open_stream(&["event: ping\n\n"]));
    let mut raw = Raw::connect(&client.url()).await;
    raw.send(request(&client.bearer(), &client.url())).await;
    raw.read_until("event: ping").await;
    let closing = std::time::Instant::now();
    client.client.close(Duration::from_millis(100)).await;
    assert!(closing.elapsed() >= Duration::from_millis(100) && closing.elapsed() < Duration::from_secs(3));
    raw.read_to_end().await;
    assert!(tokio::net::TcpStream::connect(client.client.address).await.is_err());
    service.wait_for_gone().await;
}

fn request(bearer: &str, url: &str) -> String {
    let host = url.strip_prefix("http://").unwrap();
    format!("POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nauthorization: {bearer}\r\ncontent-length: 2\r\n\r\n{{}}")
}
