//! What the loopback proxy tells programs that have no launch key.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use valetkey::client::status::ClientState;

use crate::admission::Door;
use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::{Setup, TestClient};
use testkit::http::raw::{Raw, RawAnswer, exchange};

const PROBES: [&str; 5] = ["HEAD /", "GET /", "HEAD /api/hello", "GET /healthz", "GET /healthz?verbose=1"];

async fn look(client: &TestClient, line: &str) -> RawAnswer {
    let address = client.client.address;
    exchange(&client.url(), format!("{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn a67_a_probe_tells_that_the_proxy_runs_and_nothing_else_whatever_its_state() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    for is_offline in [false, true] {
        for line in PROBES {
            let answer = look(&client, line).await;
            assert!(answer.status == 200 && answer.body.is_empty(), "{line}: {answer:?}");
            let mut names = answer.head.lines().skip(1).map(|field| field.split(':').next().unwrap());
            assert!(names.all(|name| ["connection", "content-length", "date"].contains(&name)), "{line}: {answer:?}");
        }
        for line in ["GET /status", "GET /metrics", "GET /admin", "GET /protocol", "POST /bootstrap"] {
            let answer = look(&client, line).await;
            assert_eq!(answer.status, 404, "{line}");
            assert!(answer.body.contains("route_unknown") || answer.head.contains("route_unknown"), "{answer:?}");
        }
        // Without the key the answer is the same whether the service is there or not.
        let answer = look(&client, "GET /v1/models").await;
        assert!(answer.status == 401 && answer.body.contains("launch_key_invalid"), "{answer:?}");
        if !is_offline {
            service.always(Route::Health, Say::cut());
            service.always(Route::V1, Say::cut());
            client.messages("hello").await;
            client.wait_for("the outage", |status| status.state == ClientState::Offline).await;
        }
    }
}

#[tokio::test]
async fn a68_another_protocol_than_http_1_is_refused_and_reaches_nobody() {
    let door = Door::new().await;
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
        b"\x05\x01\x00",
        b"GET /v1/models\r\n\r\n",
        b"GET /v1/models HTTP/3.0\r\nhost: x\r\n\r\n",
        b"GET /v1/models HTTP/1.1.1\r\nhost: x\r\n\r\n",
        b"EHLO evil.example\r\n",
        b"\r\n\r\n\r\n",
        b"\0\0\0\0",
    ] {
        let mut raw = Raw::connect(&door.client.url()).await;
        raw.send(bytes).await;
        let mut stream = raw.into_inner();
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(std::time::Duration::from_secs(10), stream.read_to_end(&mut answer));
        let _ = read.await.expect("the end within 10 s");
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "), "{bytes:?}: {answer:?}");
    }
    assert_eq!(door.reached_service(), 0);
    assert_eq!(door.client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn a22_a_length_behind_a_bare_line_feed_hides_no_request() {
    let door = Door::new().await;
    let (host, bearer) = (door.client.client.address, door.client.bearer());
    let fields = format!("host: {host}\r\nauthorization: {bearer}\r\n");
    let hidden = format!("GET /v1/hidden HTTP/1.1\r\n{fields}connection: close\r\n\r\n");
    for (separator, ending) in [("\n", "\r\n"), ("\r\n", "\n"), ("\n", "\n")] {
        let length = hidden.len();
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\n{fields}connection: close\r\nx: y{separator}content-length: {length}"
        );
        let mut raw = Raw::connect(&door.client.url()).await;
        raw.send(format!("{head}{ending}{ending}{hidden}")).await;
        raw.read_to_end().await;
    }
    assert!(door.service.seen(Route::V1).iter().all(|seen| seen.target == "/v1/messages"));
}
