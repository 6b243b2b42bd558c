//! Tests of the server over TLS and HTTP/2.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::upstream::{Answer, Cut, Gate, Upstream};

type Sender = SendRequest<Full<Bytes>>;

#[tokio::test]
async fn answers_are_the_same_over_http2() {
    let upstream = Upstream::start_tls(&["h2", "http/1.1"]);
    let mut sender = connect(&upstream).await;
    upstream.answer_next(Answer::message_stream("one two").byte_by_byte());
    let reply = ask(&mut sender).await;
    assert_eq!(reply.headers()["request-id"], "req_stand_in_1");
    let body = reply.into_body().collect().await.expect("a whole body").to_bytes();
    assert!(body.starts_with(b"event: message_start\n") && body.ends_with(b"{\"type\":\"message_stop\"}\n\n"));
    let received = &upstream.requests()[0];
    assert_eq!((received.version, received.body.as_slice(), received.complete), (Version::HTTP_2, &b"{}"[..], true));
}

#[tokio::test]
async fn a_dropped_stream_is_noticed_at_once() {
    let upstream = Upstream::start_tls(&["h2"]);
    let mut sender = connect(&upstream).await;
    upstream.answer_next(Answer::message_stream("one two").hold_after(2, Gate::new()));
    upstream.answer_next(Answer::message_stream("one two").hold_before_head(Gate::new()));
    let reply = ask(&mut sender).await;
    let left = Instant::now();
    drop(reply);
    assert!(upstream.wait_for_abandoned().await.duration_since(left) < Duration::from_millis(250));

    let waiting = tokio::spawn(async move { ask(&mut sender).await });
    upstream.wait_for_open_streams(1).await;
    let left = Instant::now();
    waiting.abort();
    assert!(upstream.wait_for_abandoned().await.duration_since(left) < Duration::from_millis(250));
}

#[tokio::test]
async fn a_cut_ends_the_stream_or_the_connection() {
    let upstream = Upstream::start_tls(&["h2"]);
    for (cut, survives) in [(Cut::Stream, true), (Cut::Fin, false), (Cut::Reset, false)] {
        let mut sender = connect(&upstream).await;
        let gate = Gate::new();
        upstream.answer_next(Answer::message_stream("one two").hold_after(1, gate.clone()).cut_after(1, cut));
        let mut body = ask(&mut sender).await.into_body();
        let first = body.frame().await.expect("a frame").expect("data").into_data().expect("data");
        assert!(first.starts_with(b"event: message_start\n"));
        gate.open();
        assert!(body.frame().await.expect("an end").is_err(), "{cut:?}");
        let again = sender.send_request(request()).await;
        assert_eq!(again.is_ok(), survives, "{cut:?}");
    }
}

async fn connect(upstream: &Upstream) -> Sender {
    let mut roots = RootCertStore::empty();
    let root = upstream.ca_pem().expect("TLS").as_bytes();
    roots.add(CertificateDer::from_pem_slice(root).expect("PEM")).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(("127.0.0.1", upstream.port())).await.expect("the server listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let socket = TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a handshake");
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket)).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut Sender) -> Response<Incoming> {
    sender.send_request(request()).await.expect("a head")
}

fn request() -> Request<Full<Bytes>> {
    let request = Request::post("https://localhost/v1/messages").body(Full::from("{}"));
    request.expect("a valid request")
}
