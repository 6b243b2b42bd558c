//! What the client sends arrives at the upstream, byte for byte, whatever it is.

use testkit::http::wire::Wire;
use testkit::http::{post, post_chunked};
use testkit::legs::{Leg, assert_same};
use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn a_body_goes_up_unchanged_with_a_length_and_in_chunks() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_always(Answer::whole(200, "application/json", b"{}".to_vec()));
        let (url, bearer) = (service.at("/v1/messages"), format!("Bearer {token}"));
        let headers = [("authorization", bearer.as_str())];
        for (number, body) in bodies().into_iter().enumerate() {
            assert_eq!(post(&url, &headers, body.clone()).await.status, 200);
            let pieces = body.chunks(body.len().div_ceil(500).max(1)).map(<[u8]>::to_vec).collect();
            assert_eq!(post_chunked(&url, &headers, pieces).await.status, 200);
            upstream.wait_for_requests(2 * (number + 1)).await;
            for received in &upstream.requests()[2 * number..] {
                assert!(received.complete);
                assert_same(&received.body, &body, (leg, number));
            }
        }
    }
}

#[tokio::test]
async fn a_body_of_30_mb_goes_up_unchanged_with_a_length_and_in_chunks() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_always(Answer::whole(200, "application/json", b"{}".to_vec()));
        let (url, bearer) = (service.at("/v1/messages"), format!("Bearer {token}"));
        let headers = [("authorization", bearer.as_str())];
        let body = format!(r#"{{"model":"claude-sonnet-5-5","messages":"{}"}}"#, "0123456789".repeat(3_000_000));
        assert_eq!(post(&url, &headers, body.clone()).await.status, 200);
        let pieces = body.as_bytes().chunks(64 * 1024).map(<[u8]>::to_vec).collect();
        assert_eq!(post_chunked(&url, &headers, pieces).await.status, 200);
        for received in upstream.requests() {
            assert_same(&received.body, body.as_bytes(), leg);
        }
        let asked = service.usage.wait_for(2).await;
        assert_eq!(asked[1].model_asked.as_deref(), Some("claude-sonnet-5-5"));
    }
}

#[tokio::test]
async fn f10_a_body_written_byte_by_byte_goes_up_unchanged() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let mut wire = Wire::connect(&service.url).await;
    let body = "{\"model\":\"claude-sonnet-5-5\",\r\n\"messages\":[{\"role\":\"user\",\"content\":\"Grüße 🔑\"}]}";
    let request = testkit::http::wire::messages(&token, body);
    for byte in request.as_bytes() {
        wire.send([*byte]).await;
    }
    assert_eq!(wire.response().await.status(), 200);
    assert_same(&upstream.requests()[0].body, body.as_bytes(), "byte by byte");
}

#[tokio::test]
async fn a_body_in_chunks_of_one_byte_goes_up_unchanged() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        upstream.answer_next(Answer::whole(200, "application/json", b"{}".to_vec()));
        let body: Vec<u8> = (0..64_u32 << 10).map(|number| (number % 251) as u8).collect();
        let chunks: Vec<_> = body.iter().flat_map(|byte| [b'1', b'\r', b'\n', *byte, b'\r', b'\n']).collect();
        let mut wire = Wire::connect(&service.url).await;
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        wire.send([head.as_bytes(), &chunks, b"0\r\n\r\n"].concat()).await;
        assert_eq!(wire.response().await.status(), 200, "{leg:?}");
        let received = &upstream.requests()[0];
        assert!(received.complete, "{leg:?}");
        assert_same(&received.body, &body, leg);
    }
}

#[tokio::test]
async fn chunk_extensions_and_trailers_end_at_this_hop_and_the_body_stays_whole() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let request = format!("{head}5;name=value\r\n{{\"a\":\r\n2\r\n1}}\r\n0\r\nx-trailer: secret\r\n\r\n");
    Wire::ask(&service.url, request).await;
    let received = &upstream.requests()[0];
    assert_eq!((received.body.as_slice(), received.header("x-trailer")), (b"{\"a\":1}".as_slice(), None));
}

/// Nothing, JSON that a second writer would change, and what is no JSON at all.
fn bodies() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        br#"{ "model" : "claude-sonnet-5-5", "n": 1.0e+02, "big": 123456789012345678901234567890, "a":1,"a":2 }"#
            .into(),
        "{\"model\":\"claude-sonnet-5-5\",\r\n\t\"text\":\"\\u00e9 é \\/ 🔑 \u{0}\"}".into(),
        b"\xef\xbb\xbf{}".into(),
        b"\xff\xfe\0not json\r\n\r\nGET / HTTP/1.1\r\n\r\n".into(),
        vec![b' '; (1 << 20) - 1],
        vec![b'{'; 1 << 20],
        (0..=(1_u32 << 20)).map(|number| (number % 251) as u8).collect(),
    ]
}
