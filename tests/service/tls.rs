//! TLS that ends in the service: what goes through it, who gets in, and what a new certificate changes.

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use valetkey::transport::shutdown::Phase;

use crate::secured::{CERTIFICATE, Secured};
use testkit::http;
use testkit::http::tls::TlsClient;
use testkit::http::wire::{Wire, messages};
use testkit::legs::assert_same;
use testkit::service::ADMIN_TOKEN;
use testkit::upstream::{Answer, Certificate, Gate};

#[tokio::test]
async fn a_stream_over_tls_is_the_upstreams_byte_for_byte() {
    let secured = Secured::start();
    let token = secured.token().await;
    for version in [&TLS12, &TLS13] {
        let events: Vec<_> = MESSAGE.split_inclusive("\n\n").map(str::to_owned).collect();
        secured.upstream.answer_next(Answer::stream(events.clone()));
        secured.upstream.answer_next(Answer::stream(events).byte_by_byte());
        let client = TlsClient::with(&secured.certificate.root_pem, &[version], &[]);
        let mut wire = secured.wire(&client).await;
        for _ in 0..2 {
            wire.send(messages(&token, BODY)).await;
            let answer = wire.response().await;
            assert_eq!((answer.status(), answer.header("content-type")), (200, Some(EVENT_STREAM)));
            assert_same(&answer.body, MESSAGE.as_bytes(), version);
        }
    }
}

#[tokio::test]
async fn large_bodies_go_through_both_ways() {
    let secured = Secured::start();
    let token = secured.token().await;
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    secured.upstream.answer_next(Answer::whole(200, "application/octet-stream", bytes.clone()));
    let question = format!("{BODY}{}", " ".repeat(8 << 20));
    let answer = secured.messages(&token, question.clone()).await;
    assert_eq!(answer.status, 200);
    assert_same(&answer.body, &bytes, "down");
    assert_same(&secured.upstream.requests()[0].body, question.as_bytes(), "up");
}

#[tokio::test]
async fn f09_an_event_arrives_before_the_next_one_is_sent() {
    let secured = Secured::start();
    let token = secured.token().await;
    let gate = Gate::new();
    secured.upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
    let mut wire = secured.wire(&secured.client()).await;
    wire.send(messages(&token, BODY)).await;
    wire.until(b"message_start").await;
    gate.open();
    wire.until(b"message_stop").await;
}

#[tokio::test]
async fn f53_a_refused_body_does_not_keep_its_client_from_reading_the_refusal() {
    let secured = Secured::start();
    let token = secured.token().await;
    for _ in 0..2 {
        let answer = secured.messages(&token, vec![b' '; 33_554_433]).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (413, "payload_too_large"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_upstream() {
    let secured = Secured::start();
    let token = secured.token().await;
    secured.upstream.answer_next(Answer::message_stream("hello").hold_after(1, Gate::new()));
    let mut wire = secured.wire(&secured.client()).await;
    wire.send(messages(&token, BODY)).await;
    wire.until(b"message_start").await;
    drop(wire);
    secured.upstream.wait_for_abandoned().await;
}

#[tokio::test]
async fn http_1_1_is_what_is_spoken_whatever_else_is_offered() {
    let secured = Secured::start();
    let root = &secured.certificate.root_pem;
    for (offered, spoken) in
        [(&[][..], None), (&["http/1.1"], Some(&b"http/1.1"[..])), (&["h2", "http/1.1"], Some(b"http/1.1"))]
    {
        let client = TlsClient::with(root, &[&TLS12, &TLS13], offered);
        let stream = client.connect(&secured.service.url).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), spoken, "{offered:?}");
        assert_eq!(health(stream).await, 200, "{offered:?}");
    }
    assert!(TlsClient::with(root, &[&TLS13], &["h2"]).connect(&secured.service.url).await.is_err());
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_an_open_stream_goes_on() {
    let secured = Secured::start();
    let token = secured.token().await;
    let gate = Gate::new();
    secured.upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
    let old = secured.client();
    let mut open = secured.wire(&old).await;
    open.send(messages(&token, BODY)).await;
    open.until(b"message_start").await;

    let next = Certificate::generate(&[]);
    secured.write(&next);
    secured.until(RELOADED, 1).await;

    let stream = TlsClient::trusting(&next.root_pem).connect(&secured.service.url).await.unwrap();
    assert_eq!(health(stream).await, 200);
    assert!(old.connect(&secured.service.url).await.is_err(), "the old certificate is shown no more");
    gate.open();
    let rest = open.until(b"\r\n0\r\n\r\n").await;
    assert!(rest.ends_with(b"\"message_stop\"}\n\n\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
    open.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(open.response().await.status(), 200, "and its connection can be used again");
}

#[tokio::test]
async fn what_could_be_resumed_ends_with_its_certificate() {
    let secured = Secured::start();
    for version in [&TLS12, &TLS13] {
        let client = TlsClient::with(&secured.certificate.root_pem, &[version], &[]);
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let stream = client.connect(&secured.service.url).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind());
            // Tickets of TLS 1.3 come along with the answer.
            assert_eq!(health(stream).await, 200);
        }
        assert_eq!(kinds[1..], [Some(HandshakeKind::Resumed); 2], "{version:?}");
    }
    let client = secured.client();
    assert_eq!(health(client.connect(&secured.service.url).await.unwrap()).await, 200);
    secured.write(&Certificate::generate(&[]));
    secured.until(RELOADED, 1).await;
    assert!(client.connect(&secured.service.url).await.is_err(), "who resumed would not see the new certificate");
}

#[tokio::test]
async fn f26_a_bad_new_certificate_leaves_the_old_one() {
    let secured = Secured::start();
    let bad = Certificate::generate(&[]);
    std::fs::write(secured.folder.path().join(CERTIFICATE), &bad.pem).unwrap();
    secured.until(REFUSED, 1).await;
    let client = secured.client();
    assert_eq!(health(client.connect(&secured.service.url).await.unwrap()).await, 200);
    assert_eq!(secured.metric(RELOADED).await, Some(0));
    assert!(secured.metric("valetkey_tls_certificate_expires_in_seconds").await.unwrap() > 0);
    secured.write(&secured.certificate);
    secured.until(RELOADED, 1).await;
    assert_eq!(health(client.connect(&secured.service.url).await.unwrap()).await, 200);
}

#[tokio::test]
async fn plain_http_to_the_tls_port_gets_no_http_back() {
    let secured = Secured::start();
    let mut wire = Wire::connect(&secured.plain_url()).await;
    wire.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let (came, _) = wire.rest().await;
    assert!(!came.windows(4).any(|window| window == b"HTTP"), "{came:?}");
    secured.until(FAILED, 1).await;
    assert_eq!(secured.metric(DONE).await, Some(0));
}

#[tokio::test]
async fn a_client_that_trusts_somebody_else_is_counted() {
    let secured = Secured::start();
    let stranger = TlsClient::trusting(&Certificate::generate(&[]).root_pem);
    assert!(stranger.connect(&secured.service.url).await.is_err());
    secured.until(FAILED, 1).await;
}

#[tokio::test]
async fn a_slow_handshake_is_closed_at_its_limit() {
    let secured = Secured::start_with(|flags| flags.set("TLS_HANDSHAKE_TIMEOUT", "50"));
    // Nothing at all, and the beginning of a ClientHello.
    for (number, begun) in [(1, &b""[..]), (2, b"\x16\x03\x01\x02\x00\x01")] {
        let mut wire = Wire::connect(&secured.plain_url()).await;
        wire.send(begun).await;
        assert_eq!(wire.rest().await.0, b"");
        secured.until(TIMED_OUT, number).await;
    }
    assert_eq!(secured.metric(FAILED).await, Some(0));
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_hold_up_neither_others_nor_the_end() {
    let mut secured = Secured::start_with(|flags| flags.set("TLS_HANDSHAKE_TIMEOUT", "600000"));
    let mut begun = Vec::new();
    for _ in 0..50 {
        let mut wire = Wire::connect(&secured.plain_url()).await;
        wire.send(b"\x16\x03\x01\x02\x00\x01").await;
        begun.push(wire);
    }
    let token = secured.token().await;
    assert_eq!(secured.messages(&token, BODY).await.status, 200);
    secured.service.trigger.advance(Phase::Draining);
    secured.service.join().await;
    drop(begun);
}

#[tokio::test]
async fn a19_beyond_loopback_administrators_are_served_tls_too() {
    let secured = Secured::start_with(|flags| {
        flags.set("ADMIN_HOST", "0.0.0.0");
        flags.set("TLS_HANDSHAKE_TIMEOUT", "600000");
    });
    let url = secured.service.admin_url().replace("0.0.0.0", "127.0.0.1");
    let mut wire = Wire::connect(&url.replace("https://", "http://")).await;
    wire.send(format!("GET /admin/devices HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n\r\n"))
        .await;
    assert!(!wire.rest().await.0.starts_with(b"HTTP"), "nothing is said in the clear");
    let _slow = TcpStream::connect(url.strip_prefix("https://").unwrap()).await.unwrap();
    let client = secured.http();
    for (token, status) in [(ADMIN_TOKEN, 200), ("guess", 401)] {
        let answer = http::whole(client.get(format!("{url}/admin/devices")).bearer_auth(token)).await;
        assert_eq!(answer.status, status, "{token}");
    }
}

#[tokio::test]
async fn on_loopback_administrators_are_served_plain_http() {
    let secured = Secured::start();
    assert!(secured.service.admin_url().starts_with("http://127.0.0.1:"));
    assert_eq!(secured.service.admin("GET", "/admin/devices", None).await.status, 200);
    let config = secured.service.admin("GET", "/admin/config", None).await.json();
    assert!(config["TLS_CERT_FILE"].as_str().unwrap().ends_with(CERTIFICATE));
}

/// The status of a request on this connection.
async fn health(stream: TlsStream<TcpStream>) -> u16 {
    let mut wire = Wire::over(stream);
    wire.send("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    wire.response().await.status()
}

const RELOADED: &str = r#"valetkey_tls_certificate_reloads_total{outcome="taken"}"#;
const REFUSED: &str = r#"valetkey_tls_certificate_reloads_total{outcome="refused"}"#;
const DONE: &str = r#"valetkey_tls_handshakes_total{outcome="done"}"#;
const FAILED: &str = r#"valetkey_tls_handshakes_total{outcome="failed"}"#;
const TIMED_OUT: &str = r#"valetkey_tls_handshakes_total{outcome="timed_out"}"#;
const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;

/// Also what is no event: a ping, a comment, carriage returns, and an end without its blank line.
const MESSAGE: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\"}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    ": keep-alive\r\n\r\n\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    "data: \u{1f511}",
);
