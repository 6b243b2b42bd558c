//! Two HTTP parsers in a row, the loopback's and the service's, read the same requests (A23).

use crate::both::Both;
use testkit::http::raw::Raw;
use testkit::upstream::Answer;

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;

fn request(both: &Both, headers: &str, body: &str) -> String {
    let (host, bearer) = (both.client.client.address, both.client.bearer());
    format!("POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nauthorization: {bearer}\r\n{headers}\r\n\r\n{body}")
}

fn chunked(pieces: &[&str], trailers: &str) -> String {
    let pieces: String = pieces.iter().map(|piece| format!("{:x};a=\"b\"\r\n{piece}\r\n", piece.len())).collect();
    format!("{pieces}0\r\n{trailers}\r\n")
}

/// Sends `bytes`, then one honest request, and returns the number of 200s.
async fn exchange(both: &Both, bytes: &str) -> usize {
    let last = format!("connection: close\r\ncontent-length: {}", BODY.len());
    let mut raw = Raw::connect(&both.client.url()).await;
    raw.send(bytes).await;
    raw.send(request(both, &last, BODY)).await;
    raw.read_to_end().await.matches("HTTP/1.1 200").count()
}

#[tokio::test]
async fn a23_bodies_in_odd_but_valid_framing_arrive_once_and_whole() {
    let both = Both::start().await;
    both.upstream.answer_always(Answer::json(200, serde_json::json!({})));
    let pieces = [&BODY[..1], &BODY[1..20], &BODY[20..]];
    let (chunks, trailed) = (chunked(&pieces, ""), chunked(&pieces, "x-trailer: 1\r\n"));
    let length = format!("content-length: {}", BODY.len());
    // The connection ends with a request that has trailers.
    let cases = [
        (length.as_str(), BODY, 2),
        ("transfer-encoding: chunked", chunks.as_str(), 2),
        ("Transfer-Encoding: CHUNKED", chunks.as_str(), 2),
        ("transfer-encoding: chunked\r\ntrailer: x-trailer", trailed.as_str(), 1),
    ];
    let mut sent = 0;
    for (headers, body, answers) in cases {
        assert_eq!(exchange(&both, &request(&both, headers, body)).await, answers, "{headers}");
        sent += answers;
        let requests = both.upstream.requests();
        assert_eq!(requests.len(), sent);
        assert!(requests.iter().all(|request| request.body == BODY.as_bytes()), "{headers}");
        assert!(requests.iter().all(|request| request.header("x-trailer").is_none()));
    }
}

#[tokio::test]
async fn a23_no_request_is_lost_in_the_trailer_section_of_another() {
    let both = Both::start().await;
    both.upstream.answer_always(Answer::json(200, serde_json::json!({})));
    for (trailers, answers) in [("\n", 0), ("x: y\n\n", 1), (" x\r\n", 0), ("no colon\r\n", 0), ("x\0: y\r\n", 0)] {
        let before = both.upstream.requests().len();
        let first = request(&both, "transfer-encoding: chunked", &chunked(&[BODY], trailers));
        let hidden = request(&both, "x-smuggled: 1\r\ncontent-length: 0", "");
        assert_eq!(exchange(&both, &format!("{first}{hidden}")).await, answers, "{trailers:?}");
        let requests = both.upstream.requests();
        assert_eq!(requests.len(), before + answers, "{trailers:?}");
        assert!(requests.iter().all(|seen| seen.header("x-smuggled").is_none()), "{trailers:?}");
    }
}

#[tokio::test]
async fn a23_a_request_inside_a_body_stays_a_body() {
    let both = Both::start().await;
    both.upstream.answer_always(Answer::json(200, serde_json::json!({})));
    let inner = request(&both, "content-length: 0", "");
    let body = format!("{BODY}{}", inner.replace(['\r', '\n'], " "));
    let json = format!(r#"{{"model":"claude-sonnet-5-5","x":{}}}"#, serde_json::Value::from(inner));
    for body in [json.as_str(), body.as_str()] {
        let before = both.upstream.requests().len();
        let length = format!("content-length: {}", body.len());
        exchange(&both, &request(&both, &length, body)).await;
        let requests = both.upstream.requests();
        assert!(requests.len() <= before + 2);
        assert!(requests.iter().all(|seen| seen.target == "/v1/messages"));
    }
}

#[tokio::test]
async fn a23_ambiguous_framing_never_makes_two_requests_of_one() {
    let both = Both::start().await;
    both.upstream.answer_always(Answer::json(200, serde_json::json!({})));
    let smuggled = request(&both, "x-smuggled: 1\r\ncontent-length: 0", "");
    let after_end = format!("0\r\n\r\n{smuggled}");
    for (headers, body) in [
        ("content-length: 6\r\ncontent-length: 5", "hello!"),
        ("content-length: 5\r\ntransfer-encoding: chunked, identity", after_end.as_str()),
        ("content-length: 5\r\ntransfer-encoding: xchunked", after_end.as_str()),
        ("content-length: 5\r\ntransfer-encoding : chunked", after_end.as_str()),
        ("content-length: 5\r\ntransfer-encoding:\x0bchunked", after_end.as_str()),
        ("transfer-encoding: chunked\r\ntransfer-encoding: identity", after_end.as_str()),
        ("transfer-encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("transfer-encoding: chunked", "5\nhello\n0\n\n"),
        ("transfer-encoding: chunked", "10000000000000001\r\nhello"),
    ] {
        let before = both.upstream.requests().len();
        exchange(&both, &request(&both, headers, body)).await;
        let requests = both.upstream.requests();
        let seen = &requests[before..];
        assert!(seen.iter().all(|seen| seen.header("x-smuggled").is_none()), "{headers:?}: {seen:?}");
        assert!(seen.iter().all(|seen| seen.body == BODY.as_bytes()), "{headers:?}: {seen:?}");
    }
}
