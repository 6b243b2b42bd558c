//! The addresses a client may call and listen on: they are checked before anything is sent.

use std::net::{Ipv4Addr, TcpListener};

use tokio::io::AsyncReadExt;
use valetkey::client::error::ClientError;
use valetkey::client::status::ClientState;

use testkit::client::Setup;
use testkit::client::fake_service::{FakeService, Route};

#[tokio::test]
async fn f47_a_taken_fixed_port_is_an_error_and_no_other_port_is_tried() {
    let service = FakeService::start().await;
    let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = stranger.local_addr().unwrap().port();
    let error = Setup::new(&service.url).with("port", port).refusal().await;
    assert!(matches!(error, ClientError::PortInUse(taken) if taken == port), "{error:?}");
    assert_eq!(service.connections(), 0);
}

#[tokio::test]
async fn an_unencrypted_service_beyond_this_machine_is_refused() {
    for url in ["http://192.0.2.1:3001", "http://claude.example", "http://0.0.0.0:1", "http://127.0.0.1.evil.example"] {
        let error = Setup::new(url).refusal().await;
        assert!(matches!(&error, ClientError::Config(message) if message.contains("bootstrapUrl")), "{url}: {error:?}");
    }
    let service = FakeService::start().await;
    let error = Setup::new(&service.url).with("healthUrl", "http://claude.example/healthz").refusal().await;
    assert!(matches!(&error, ClientError::Config(message) if message.contains("healthUrl")), "{error:?}");
}

#[tokio::test]
async fn an_unencrypted_or_invalid_base_url_is_refused() {
    for base_url in
        ["http://192.0.2.1", "http://claude.example:80", "ftp://127.0.0.1", "https://user:pw@claude.example", "x"]
    {
        let service = FakeService::start().await;
        service.name_base_url(base_url);
        let error = Setup::new(&service.url).refusal().await;
        assert!(matches!(error, ClientError::Unhealthy(_)), "{base_url}: {error:?}");
        assert!(!error.to_string().contains("pw"), "{error}");
    }
}

#[tokio::test]
async fn requests_go_to_the_base_url_that_the_service_names() {
    let (control, data) = (FakeService::start().await, FakeService::start().await);
    control.name_base_url(&format!("{}/claude", data.url));
    data.always(Route::V1, testkit::client::fake_service::Say::json(200, "{}"));
    let client = Setup::new(&control.url).start().await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!(data.seen(Route::V1)[0].target, "/claude/v1/messages");
    assert_eq!(data.seen(Route::V1)[0].header("host"), Some(data.url.strip_prefix("http://").unwrap()));
    assert_eq!(control.count(Route::V1), 0);
}

#[tokio::test]
async fn f52_an_https_base_url_gets_a_tls_handshake_and_never_the_token_in_the_clear() {
    let service = FakeService::start().await;
    let target = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    service.name_base_url(&format!("https://127.0.0.1:{}", target.local_addr().unwrap().port()));
    let client = Setup::new(&service.url).start().await;
    let first_bytes = tokio::spawn(async move {
        let (mut stream, _) = target.accept().await.unwrap();
        let mut bytes = [0; 256];
        let length = stream.read(&mut bytes).await.unwrap();
        bytes[..length].to_vec()
    });
    let answer = client.messages("hello").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_unreachable"));
    let first_bytes = first_bytes.await.unwrap();
    assert_eq!(first_bytes[0], 0x16, "no TLS record: {}", String::from_utf8_lossy(&first_bytes));
}

#[tokio::test]
async fn a38_a_closed_client_frees_its_port_and_names_no_address() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let address = client.client.address;
    client.client.close(std::time::Duration::from_secs(1)).await;
    let _stranger = TcpListener::bind(address).unwrap();
    let status = client.client.status();
    assert_eq!((status.state, status.bound), (ClientState::Closed, None));
}
