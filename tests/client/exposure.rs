//! Ports and resources that a stranger on this machine or network could reach or use up.

use crate::admission::Door;
use testkit::client::fake_service::Route;
use testkit::http::raw::Raw;

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
