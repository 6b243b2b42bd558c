//! A34: which web pages may read answers. By default none.

use testkit::http::{Answer, get, post, request};
use testkit::service::TestService;
use testkit::upstream::{self, Upstream};

#[tokio::test]
async fn a34_no_origin_is_let_in_by_default() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let bearer = format!("Bearer {}", service.token().await);
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "https://app.example"] {
        upstream.answer_next(upstream::Answer::message_stream("a").header("access-control-allow-origin", "*"));
        let headers = [("origin", origin), ("authorization", bearer.as_str())];
        assert_closed(&post(&service.at("/v1/messages"), &headers, BODY).await);
        assert_closed(&get(&service.at("/healthz"), &headers).await);
        let preflight = preflight(&service, origin).await;
        assert_closed(&preflight);
        assert_eq!(preflight.status, 405);
    }
}

#[tokio::test]
async fn a_listed_origin_is_let_in_and_no_other() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("CORS_ORIGINS", "https://app.example, http://localhost:5173");
    });
    let bearer = format!("Bearer {}", service.token().await);
    for origin in ["https://app.example", "http://localhost:5173"] {
        let headers = [("origin", origin), ("authorization", bearer.as_str())];
        for answer in [
            post(&service.at("/v1/messages"), &headers, BODY).await,
            post(&service.at("/v1/messages"), &headers[..1], BODY).await,
            get(&service.at("/nowhere"), &headers).await,
        ] {
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{}", answer.status);
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let readable = answer.header("access-control-expose-headers").unwrap();
            assert_eq!(readable, "request-id, retry-after, x-should-retry, dpop-nonce");
            assert!(answer.headers.get_all("vary").iter().any(|value| value == "origin"));
        }
        let preflight = preflight(&service, origin).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some(origin)));
        assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization, anthropic-version"));
        assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, POST, DELETE"));
    }
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "https://APP.example",
        "http://app.example",
    ] {
        assert_closed(&get(&service.at("/healthz"), &[("origin", origin)]).await);
        assert_closed(&preflight(&service, origin).await);
    }
    assert!(upstream.requests().iter().all(|received| received.header("origin").is_none()));
}

async fn preflight(service: &TestService, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization, anthropic-version"),
    ];
    request("OPTIONS", &service.at("/v1/messages"), &headers).await
}

fn assert_closed(answer: &Answer) {
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{:?}", answer.headers);
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
