//! Ports and resources that a stranger on this machine or network could reach or use up.

use std::time::Duration;

use tokio::time::Instant;

use crate::admission::Door;
use testkit::client::fake_service::{FakeService, Route};
use testkit::client::{Setup, TestClient};
use testkit::http::raw::{Raw, exchange};
use testkit::http::wire::Wire;

#[tokio::test]
async fn a25_upgrade_requests_are_served_without_an_upgrade() {
    let door = Door::new().await;
    for upgrade in ["websocket", "h2c"] {
        let lines = format!(
            "host: 127.0.0.1:PORT\r\nauthorization: Bearer KEY\r\nupgrade: {upgrade}\r\nconnection: upgrade\r\n\
             http2-settings: AAMAAABkAARAAAAAAAIAAAAA"
        );
        let answer = door.ask("GET /v1/models", &lines).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for seen in door.service.seen(Route::V1) {
        assert!(["upgrade", "connection", "http2-settings"].iter().all(|name| seen.header(name).is_none()));
    }
}

#[tokio::test]
async fn a37_the_proxy_listens_on_127_0_0_1_only() {
    let door = Door::new().await;
    let mut addresses = vec!["[::1]".to_owned(), "127.0.0.2".to_owned()];
    // The address this machine would use towards the outside; nothing is sent.
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if socket.connect("192.0.2.1:9").is_ok() {
        addresses.push(socket.local_addr().unwrap().ip().to_string());
    }
    for address in addresses.iter().filter(|address| *address != "127.0.0.1") {
        let refused = tokio::net::TcpStream::connect(format!("{address}:{}", door.port)).await;
        assert!(refused.is_err(), "{address} listens");
    }
}

#[tokio::test]
async fn f58_a_connection_with_an_endless_head_is_closed() {
    let door = Door::new().await;
    let mut raw = Raw::connect(&door.client.url()).await;
    raw.send(format!("POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nx-slow: ", door.port)).await;
    // Another connection is served meanwhile, so the half head has been read too.
    assert_eq!(door.client.messages("hello").await.status, 200);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    tokio::time::resume();
    let answer = raw.read_to_end().await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn f59_oversized_heads_are_refused_and_other_requests_go_on() {
    let door = Door::new().await;
    let many = "x: y\r\n".repeat(500);
    let big = format!("x: {}\r\n", "y".repeat(1 << 20));
    for lines in [many, big] {
        let answer = door.knock(&format!("host: 127.0.0.1:PORT\r\nauthorization: Bearer KEY\r\n{lines}x: y")).await;
        assert!(matches!(answer.status, 0 | 400 | 431), "{}", answer.status);
    }
    let long = format!("GET /v1/{}", "a".repeat(70_000));
    let answer = door.ask(&long, "host: 127.0.0.1:PORT").await;
    assert!(matches!(answer.status, 400 | 401 | 414), "{}", answer.status);
    assert_eq!(door.reached_service(), 0);
    assert_eq!(door.client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f74_a_head_is_refused_above_64_kib_and_taken_below_however_it_arrives() {
    let door = Door::new().await;
    for (length, status) in [(65_535, 200), (65_536, 200), (65_537, 431), (90_000, 431)] {
        let begin = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\ncontent-length: 2\r\nx-long: ",
            door.client.client.address,
            door.client.bearer()
        );
        let long = "x".repeat(length - begin.len() - "\r\n\r\n".len());
        for piece in [length, 65_535, 8191] {
            let mut wire = Wire::connect(&door.client.url()).await;
            for piece in format!("{begin}{long}\r\n\r\n{{}}").as_bytes().chunks(piece) {
                wire.send(piece).await;
                tokio::task::yield_now().await;
            }
            let head = wire.head().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{length} in pieces of {piece}: {head}");
            assert_eq!(head.contains("head_too_large"), status == 431, "{length} in pieces of {piece}: {head}");
        }
    }
    assert_eq!(door.reached_service(), 6);
}

async fn with_connections(most: u32) -> (FakeService, TestClient) {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).with("maxConnections", most).start().await;
    (service, client)
}

fn keep_alive(client: &TestClient, key: &str) -> String {
    let address = client.client.address;
    format!("POST /v1/messages HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\ncontent-length: 2\r\n\r\n{{}}")
}

#[tokio::test]
async fn f72_connections_that_have_not_shown_the_launch_key_make_room_for_one_that_does() {
    let (service, client) = with_connections(40).await;
    let mut strangers = Vec::new();
    for number in 0..120 {
        let mut wire = Wire::connect(&client.url()).await;
        // Some say nothing, some begin a head, and some ask without the key and stay.
        let said = match number % 3 {
            0 => String::new(),
            1 => "POST /v1/messages HTTP/1.1\r\nx-slow: ".to_owned(),
            _ => keep_alive(&client, "wrong"),
        };
        let _ = wire.try_send(said).await;
        strangers.push(wire);
    }
    for _ in 0..20 {
        let request =
            keep_alive(&client, &client.key()).replace("content-length", "connection: close\r\ncontent-length");
        assert_eq!(exchange(&client.url(), request).await.status, 200);
    }
    // The youngest strangers are still there.
    let mut youngest = strangers.pop().unwrap();
    assert_eq!(youngest.response().await.status(), 401);
    assert_eq!(service.count(Route::V1), 20);
}

#[tokio::test]
async fn f72_connections_that_have_shown_the_launch_key_stay_and_further_ones_wait() {
    let (service, client) = with_connections(2).await;
    let ask = keep_alive(&client, &client.key());
    let mut first = Wire::connect(&client.url()).await;
    let mut second = Wire::connect(&client.url()).await;
    for wire in [&mut first, &mut second] {
        wire.send(&ask).await;
        assert_eq!(wire.response().await.status(), 200);
    }
    let mut waiting = Wire::connect(&client.url()).await;
    waiting.send(ask.replace("/v1/messages", "/v1/waiting")).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(100) {
        for wire in [&mut first, &mut second] {
            wire.send(&ask).await;
            assert_eq!(wire.response().await.status(), 200);
        }
    }
    assert!(service.seen(Route::V1).iter().all(|seen| seen.target == "/v1/messages"));
    drop(second);
    assert_eq!(waiting.response().await.status(), 200);
    // A stranger gets no slot while all are taken.
    let stranger = Wire::connect(&client.url()).await;
    first.send(&ask).await;
    assert_eq!(first.response().await.status(), 200);
    drop(stranger);
}
