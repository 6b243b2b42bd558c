//! A22: messages that two readers could read differently. Each has a verdict, and none becomes a second request.

use testkit::http::wire::Wire;
use testkit::service::TestService;
use testkit::upstream::Upstream;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Refused, connection closed, nothing went up.
    Refused,
    /// Read in the one way the RFC allows; one request with this body went up.
    Passed(&'static str),
}
use Verdict::{Passed, Refused};

#[tokio::test]
async fn a22_every_ambiguous_message_is_refused_or_read_in_one_way() {
    for (name, lines, body, verdict) in MESSAGES {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let head =
            format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\nconnection: close\r\n");
        let mut wire = Wire::connect(&service.url).await;
        wire.send(format!("{head}{lines}\r\n{body}")).await;
        let (came, _) = wire.rest().await;
        let came = String::from_utf8_lossy(&came).into_owned();
        let went_up: Vec<_> = upstream.requests().into_iter().map(|one| String::from_utf8(one.body).unwrap()).collect();
        match verdict {
            Refused => {
                assert!(came.starts_with("HTTP/1.1 4"), "{name}: {came}");
                assert!(went_up.is_empty(), "{name}: {went_up:?}");
            }
            Passed(body) => {
                assert_eq!(went_up, [body], "{name}: {came}");
            }
        }
        assert!(came.matches("HTTP/1.1 ").count() <= 1, "{name}: {came}");
    }
}

#[tokio::test]
async fn a22_a_second_request_in_a_body_stays_in_the_body() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let hidden = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\nconnection: close\r\n");
    let mut wire = Wire::connect(&service.url).await;
    wire.send(format!("{head}content-length: {}\r\n\r\n{hidden}", hidden.len())).await;
    wire.rest().await;
    let mut wire = Wire::connect(&service.url).await;
    let size = hidden.len();
    wire.send(format!("{head}transfer-encoding: chunked\r\n\r\n{size:x}\r\n{hidden}\r\n0\r\n\r\n")).await;
    wire.rest().await;
    let bodies: Vec<_> = upstream.requests().into_iter().map(|one| String::from_utf8(one.body).unwrap()).collect();
    assert_eq!(bodies, [hidden, hidden]);
}

#[tokio::test]
async fn a22_no_request_is_lost_in_the_trailer_section_of_another() {
    for (section, status) in SECTIONS {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let long = format!("{BODY}{}", " ".repeat(3 << 20));
        let next =
            |limit| format!("GET /v1/models?limit={limit} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\n\r\n");
        for (token, data, status) in [
            (token.as_str(), format!("{:x}\r\n{BODY}\r\n", BODY.len()), status),
            // Streamed: its end comes while it is on its way up.
            (token.as_str(), format!("{:x}\r\n{long}\r\n", long.len()), status),
            // Refused before its body is read.
            ("wrong", String::new(), "401"),
        ] {
            let head = "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n";
            let request = format!("{head}x-api-key: {token}\r\n\r\n{data}0\r\n{section}{}{}", next(1), next(2));
            let mut wire = Wire::connect(&service.url).await;
            let _ = wire.try_send(request).await;
            let (came, _) = wire.rest().await;
            let came = String::from_utf8_lossy(&came);
            assert!(came.starts_with(&format!("HTTP/1.1 {status} ")), "{section:?}: {came}");
            assert_eq!(came.matches("HTTP/1.1 ").count(), 1, "the connection ends with it: {section:?}: {came}");
            assert_eq!(came.contains("trailer section"), status == "400" && section.starts_with('\n'), "{came}");
        }
        assert!(upstream.requests().iter().all(|one| one.target == "/v1/messages"), "{section:?}");
    }
}

#[tokio::test]
async fn a22_a_body_in_chunks_without_trailers_keeps_its_connection() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let head = "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n";
    let request = format!("{head}x-api-key: {token}\r\n\r\n{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    let mut wire = Wire::connect(&service.url).await;
    wire.send(request.repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(wire.response().await.status(), 200);
    }
}

#[tokio::test]
async fn a22_each_pipelined_request_is_admitted_for_itself() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let good =
        |page: u8| format!("GET /v1/models?limit={page} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\n\r\n");
    let bare = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut wire = Wire::connect(&service.url).await;
    wire.send(format!("{}{bare}{}", good(1), good(2))).await;
    let statuses = [wire.response().await.status(), wire.response().await.status(), wire.response().await.status()];
    assert_eq!((statuses, upstream.requests().len()), ([200, 401, 200], 2));
}

#[tokio::test]
async fn a25_bytes_behind_a_refused_method_are_a_request_of_their_own_or_nothing() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let mut wire = Wire::connect(&service.url).await;
    wire.send("TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await;
    let (came, _) = wire.rest().await;
    let came = String::from_utf8_lossy(&came);
    assert!(came.starts_with("HTTP/1.1 405 ") && !came.contains("HTTP/1.1 200 "), "{came}");
    assert_eq!(upstream.connections(), 0);
}

/// What follows the last chunk, and the status of the answer to its request.
const SECTIONS: [(&str, &str); 7] = [
    ("\n", "400"),
    ("x: y\n\n", "200"),
    ("x: y\r\n\r\n", "200"),
    (" x\r\n\r\n", "400"),
    ("no colon\r\n\r\n", "400"),
    ("x\0: y\r\n\r\n", "400"),
    ("x: y\r\n folded\r\n\r\n", "400"),
];

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;

/// Name, header lines, body, verdict.
const MESSAGES: [(&str, &str, &str, Verdict); 26] = [
    ("CL then TE", "content-length: 3\r\ntransfer-encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n", Passed("{}")),
    ("TE then CL", "transfer-encoding: chunked\r\ncontent-length: 50\r\n", "2\r\n{}\r\n0\r\n\r\n", Passed("{}")),
    ("two lengths", "content-length: 2\r\ncontent-length: 3\r\n", "{} ", Refused),
    ("one length twice", "content-length: 2\r\ncontent-length: 2\r\n", "{}", Passed("{}")),
    ("a list of lengths", "content-length: 2, 2\r\n", "{}", Refused),
    ("a signed length", "content-length: +2\r\n", "{}", Refused),
    ("a hexadecimal length", "content-length: 0x2\r\n", "{}", Refused),
    ("a length with a space in it", "content-length: 2 0\r\n", "{}", Refused),
    ("an empty length", "content-length:\r\n", "{}", Refused),
    ("a space before the colon", "content-length : 2\r\n", "{}", Refused),
    ("a folded length", "content-length:\r\n 2\r\n", "{}", Refused),
    ("a folded header", "x-a: b\r\n c: d\r\ncontent-length: 2\r\n", "{}", Refused),
    ("a bare line feed after a header", "x-a: b\ncontent-length: 2\r\n", "{}", Passed("{}")),
    ("a bare carriage return in a header", "x-a: b\rcontent-length: 2\r\n", "{}", Refused),
    ("TE of another name", "transfer-encoding: xchunked\r\n", "2\r\n{}\r\n0\r\n\r\n", Refused),
    ("TE not chunked last", "transfer-encoding: chunked, identity\r\n", "2\r\n{}\r\n0\r\n\r\n", Refused),
    ("TE identity", "transfer-encoding: identity\r\ncontent-length: 2\r\n", "{}", Refused),
    ("TE with vertical tab", "transfer-encoding:\x0bchunked\r\n", "2\r\n{}\r\n0\r\n\r\n", Refused),
    ("TE with NUL", "transfer-encoding: chunked\0\r\n", "2\r\n{}\r\n0\r\n\r\n", Refused),
    ("TE with underscore", "transfer_encoding: chunked\r\ncontent-length: 2\r\n", "{}", Passed("{}")),
    ("a chunk without a size", "transfer-encoding: chunked\r\n", "\r\n{}\r\n0\r\n\r\n", Refused),
    ("a chunk of no number", "transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n", Refused),
    ("a negative chunk", "transfer-encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n", Refused),
    ("a chunk beyond 64 bits", "transfer-encoding: chunked\r\n", "10000000000000002\r\n{}\r\n0\r\n\r\n", Refused),
    ("a chunk longer than its size", "transfer-encoding: chunked\r\n", "1\r\n{}\r\n0\r\n\r\n", Refused),
    ("a bare line feed in a chunk", "transfer-encoding: chunked\r\n", "2\n{}\n0\n\n", Refused),
];
