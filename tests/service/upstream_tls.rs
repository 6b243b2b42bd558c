//! Whom the service talks to over TLS, and in which version of HTTP.

use hyper::Version;

use testkit::http::wire::{Wire, messages};
use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn f52_a_certificate_that_nobody_trusts_is_a_502_and_nothing_is_sent() {
    for alpn in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        let upstream = Upstream::start_tls(alpn);
        let service = TestService::start(&upstream.url());
        let answer = service.messages(&service.token().await, BODY).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_unreachable"));
        assert!(upstream.requests().is_empty());
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_502_and_nothing_is_sent() {
    let (upstream, other) = (Upstream::start_tls(&["h2"]), Upstream::start_tls(&["h2"]));
    // The root of another server, and a name that the certificate does not have.
    let roots = testkit::temporary::TemporaryFile::with(other.ca_pem().unwrap().as_bytes());
    let stranger = TestService::start_with(&upstream.url(), |flags| {
        flags.set("UPSTREAM_CA_FILE", roots.path().display().to_string());
    });
    let misnamed = TestService::before_with(&upstream, |flags| {
        flags.set("ANTHROPIC_BASE_URL", upstream.url().replace("localhost", "127.0.0.2"));
    });
    for service in [stranger, misnamed] {
        let answer = service.messages(&service.token().await, BODY).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_unreachable"));
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn the_version_is_negotiated_or_as_configured() {
    for (setting, alpn, version) in [
        ("auto", &["h2", "http/1.1"][..], Version::HTTP_2),
        ("auto", &["http/1.1"], Version::HTTP_11),
        ("1.1", &["h2", "http/1.1"], Version::HTTP_11),
        ("2", &["h2", "http/1.1"], Version::HTTP_2),
    ] {
        let upstream = Upstream::start_tls(alpn);
        let service = TestService::before_with(&upstream, |flags| flags.set("UPSTREAM_HTTP_VERSION", setting));
        let token = service.token().await;
        for _ in 0..3 {
            assert_eq!(service.messages(&token, BODY).await.status, 200);
        }
        assert!(upstream.requests().iter().all(|received| received.version == version), "{setting} {alpn:?}");
        assert_eq!(upstream.connections(), 1, "{setting} {alpn:?}");
    }
}

#[tokio::test]
async fn f55_clients_that_take_nothing_of_their_answers_leave_others_theirs_on_the_same_connection() {
    let upstream = Upstream::start_tls(&["h2"]);
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let mut idle = Vec::new();
    for _ in 0..24 {
        upstream.answer_next(Answer::whole(200, "application/json", vec![b' '; 8 << 20]));
        let mut wire = Wire::connect(&service.url).await;
        wire.send(messages(&token, BODY)).await;
        wire.head().await;
        idle.push(wire);
    }
    for _ in 0..3 {
        assert!(service.messages(&token, BODY).await.text().contains("message_stop"));
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_upstream_that_speaks_no_tls_is_a_502() {
    let upstream = Upstream::start();
    let service = TestService::start(&upstream.url().replace("http://", "https://"));
    let answer = service.messages(&service.token().await, BODY).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (502, "upstream_unreachable"));
    assert!(upstream.requests().is_empty());
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
