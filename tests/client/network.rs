//! The network of a company: an authority of its own that signs certificates (`NODE_EXTRA_CA_CERTS`).

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use valetkey::client::error::ClientError;
use valetkey::client::status::{Event, Level, Network};

use testkit::client::fake_service::{FakeService, Route};
use testkit::client::{Events, Setup};
use testkit::upstream::Certificate;

/// TLS in front of a fake service; stops when dropped.
pub struct TlsFront {
    pub url: String,
    pub port: u16,
    pub root_pem: String,
    _tasks: JoinSet<()>,
}

impl TlsFront {
    pub async fn before(service: &FakeService) -> Self {
        let certificate = Certificate::generate(&[]);
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("https://localhost:{port}");
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), service.port));
        Self { url, port, root_pem: certificate.root_pem, _tasks: tasks }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, port: u16) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            // A client that trusts no such certificate ends the handshake.
            let Ok(mut here) = acceptor.accept(stream).await else { return };
            let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let _ = copy_bidirectional(&mut here, &mut there).await;
        });
    }
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn lines(events: &Events, wanted: Level) -> Vec<String> {
    let line = |event: Event| match event {
        Event::Log(level, line) if level == wanted => Some(line.into_owned()),
        _ => None,
    };
    events.all().into_iter().filter_map(line).collect()
}

#[tokio::test]
async fn f79_an_authority_named_by_the_environment_is_trusted_for_both_kinds_of_calls_and_told() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let front = TlsFront::before(&service).await;
    let path = file(&folder, "ca.pem", &front.root_pem);
    let client = Setup { extra_ca_certs: Some(path.clone()), ..Setup::new(&front.url) }.start().await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::V1)), (1, 1));
    let network = Network { proxy: None, extra_ca_certs: Some(path.display().to_string()) };
    assert_eq!(client.client.status().network, network);
    let told = lines(&client.events, Level::Debug);
    let of_the_file = told.iter().filter(|line| line.contains(path.to_str().unwrap()));
    assert_eq!(of_the_file.count(), 1, "{told:?}");
}

#[tokio::test]
async fn f79_an_authority_that_the_app_gives_is_trusted_for_both_kinds_of_calls() {
    let service = FakeService::start().await;
    let front = TlsFront::before(&service).await;
    let other = Certificate::generate(&[]).root_pem;
    for ca in [json!(front.root_pem), json!([other, front.root_pem]), json!(format!("{other}{}", front.root_pem))] {
        let client = Setup::new(&front.url).with("ca", ca).start().await;
        assert_eq!(client.messages("hello").await.status, 200);
        assert_eq!(client.client.status().network, Network::default());
    }
    assert_eq!(Setup::new(&front.url).with("ca", other).refusal().await.code(), "VALET_CERTIFICATE");
}

#[tokio::test]
async fn f52_f79_a_certificate_that_is_not_trusted_is_named_with_its_address() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let front = TlsFront::before(&service).await;
    let other = file(&folder, "other.pem", &Certificate::generate(&[]).root_pem);
    let error = Setup { extra_ca_certs: Some(other), ..Setup::new(&front.url) }.refusal().await;
    let message = error.to_string();
    assert!(matches!(error, ClientError::Certificate(_)), "{error:?}");
    assert!(message.contains(front.url.strip_prefix("https://").unwrap()), "{message}");
    assert!(message.contains("certificate is not trusted") && message.contains("NODE_EXTRA_CA_CERTS"), "{message}");
    assert_eq!(service.tokens_asked(), 0);
}

#[tokio::test]
async fn f79_a_file_of_authorities_that_cannot_be_used_is_told_and_ignored() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let missing = folder.path().join("missing.pem");
    for path in [missing, file(&folder, "text.pem", "no certificate"), file(&folder, "empty.pem", "")] {
        let client = Setup { extra_ca_certs: Some(path.clone()), ..Setup::new(&service.url) }.start().await;
        assert_eq!(client.messages("hello").await.status, 200);
        assert_eq!(client.client.status().network, Network::default());
        let told = lines(&client.events, Level::Warn);
        let names = |line: &String| line.contains("NODE_EXTRA_CA_CERTS") && line.contains(path.to_str().unwrap());
        assert!(told.len() == 1 && told.iter().all(names), "{told:?}");
    }
}
