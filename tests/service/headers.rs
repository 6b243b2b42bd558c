//! Every header that is neither hop-by-hop nor a credential arrives, both ways; what must end here does.

use testkit::http::wire::{Wire, post};
use testkit::legs::Leg;
use testkit::service::{REAL_KEY, TestService};
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn headers_and_the_query_go_up_as_they_came() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let lines: Vec<_> = KEPT_UP.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let target = "/v1/messages?beta=true&x=%2F..%00&beta=false";
        Wire::ask(&service.url, post(target, &token, &lines, "{}")).await;
        let received = &upstream.requests()[0];
        assert_eq!(received.target, target);
        for (name, _) in KEPT_UP {
            let sent: Vec<_> = KEPT_UP.iter().filter(|(own, _)| *own == name).map(|(_, value)| *value).collect();
            assert_eq!(received.header_values(name).collect::<Vec<_>>(), sent, "{leg:?} {name}");
        }
        assert_eq!(received.header_values("x-api-key").collect::<Vec<_>>(), [REAL_KEY]);
        assert_eq!(received.header("content-length"), Some("2"));
    }
}

#[tokio::test]
async fn a26_a28_a29_what_must_not_go_up_ends_here() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let lines: Vec<_> = ENDED_UP.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let answer = Wire::ask(&service.url, post("/v1/messages", &token, &lines, BODY)).await;
        assert_eq!(answer.status(), 200, "{}", answer.head);
        let received = &upstream.requests()[0];
        for (name, value) in ENDED_UP {
            let arrived = received.header_values(name).any(|own| own.contains(value));
            assert!(!arrived, "{leg:?} {name}: {:?}", received.headers);
        }
        assert_eq!(received.header_values("x-api-key").collect::<Vec<_>>(), [REAL_KEY]);
        assert!(!received.headers.iter().any(|(_, value)| value.contains(&token)), "{:?}", received.headers);
        let host = received.header_values("host").chain(received.header_values(":authority")).collect::<Vec<_>>();
        assert_eq!(host, [upstream.url().split_once("://").unwrap().1], "{:?}", received.headers);
    }
}

#[tokio::test]
async fn a28_the_real_key_can_go_up_as_a_bearer_token() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("UPSTREAM_AUTH_HEADER", "authorization"));
    service.messages(&service.token().await, BODY).await;
    let received = &upstream.requests()[0];
    assert_eq!(received.header_values("authorization").collect::<Vec<_>>(), [format!("Bearer {REAL_KEY}")]);
    assert_eq!(received.header("x-api-key"), None);
}

#[tokio::test]
async fn headers_come_down_as_they_were_sent() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let answer = Answer::message_stream("hello");
        let answer = KEPT_DOWN.iter().fold(answer, |answer, (name, value)| answer.header(name, value));
        upstream.answer_next(answer);
        let answer = service.messages(&token, BODY).await;
        for (name, _) in KEPT_DOWN {
            let sent: Vec<_> = KEPT_DOWN.iter().filter(|(own, _)| *own == name).map(|(_, value)| *value).collect();
            let came: Vec<_> = answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(came, sent, "{leg:?} {name}");
        }
    }
}

#[tokio::test]
async fn a42_what_must_not_come_down_ends_here() {
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let ended = ENDED_DOWN.iter().filter(|(name, _)| leg != Leg::Http2 || !CONNECTION_ONLY.contains(name));
        let answer = ended.fold(Answer::message_stream("hello"), |answer, (name, value)| answer.header(name, value));
        upstream.answer_next(answer);
        let answer = service.messages(&token, BODY).await;
        assert_eq!(answer.status, 200);
        for (name, _) in ENDED_DOWN {
            assert_eq!(answer.header(name), None, "{leg:?}");
        }
        assert!(answer.header("request-id").is_some_and(|id| id.starts_with("req_stand_in_")), "{leg:?}");
    }
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;

const KEPT_UP: [(&str, &str); 20] = [
    ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "oauth-2025-04-20,interleaved-thinking-2025-05-14"),
    ("anthropic-beta", "of-the-future-2030-01-01"),
    ("anthropic-beta", ""),
    ("anthropic-dangerous-direct-browser-access", "true"),
    ("anthropic-of-the-future", "\"quoted\", and; more=1"),
    ("x-claude-code-session-id", "7e3f"),
    ("x-claude-code-of-the-future", "1"),
    ("x-app", "cli"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-lang", "js"),
    ("x-request-id", "mine"),
    ("user-agent", "claude-cli/2.1.332 (external, cli)"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("content-type", "application/json"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("tracestate", "vendor=1"),
    ("tracestate", "other=2"),
    ("idempotency-key", "a-b-c"),
];

const ENDED_UP: [(&str, &str); 20] = [
    ("anthropic-organization-id", "of-the-caller"),
    ("anthropic-user-profile-id", "of-the-caller"),
    ("anthropic-workspace-id", "of-the-caller"),
    ("x-api-key", "sk-ant-api03-of-the-caller"),
    ("cookie", "session=1"),
    ("proxy-authorization", "Basic YTpi"),
    ("proxy-connection", "keep-alive"),
    ("forwarded", "for=192.0.2.1"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-host", "evil.example"),
    ("x-real-ip", "192.0.2.1"),
    ("origin", "https://evil.example"),
    ("x-valetkey-anything", "1"),
    ("te", "trailers"),
    ("trailer", "x-a"),
    ("upgrade", "websocket"),
    ("keep-alive", "timeout=5"),
    ("http2-settings", "AAMAAABk"),
    ("connection", "x-private, x-api-key, authorization, host, content-length, keep-alive"),
    ("x-private", "named by connection"),
];

const KEPT_DOWN: [(&str, &str); 10] = [
    ("request-id", "req_011CSHoEeqs5C35K2UUqR7Fy"),
    ("retry-after", "7"),
    ("x-should-retry", "false"),
    ("anthropic-workspace-id", "w"),
    ("anthropic-of-the-future", "1"),
    ("anthropic-of-the-future", "2"),
    ("x-envoy-upstream-service-time", "17"),
    ("content-language", "de"),
    ("cache-control", "no-cache"),
    ("strict-transport-security", "max-age=31536000"),
];

const ENDED_DOWN: [(&str, &str); 21] = [
    ("x-accel-expires", "3600"),
    ("x-accel-redirect", "/internal"),
    ("surrogate-control", "max-age=3600"),
    ("cdn-cache-control", "max-age=3600"),
    ("set-cookie", "a=b"),
    ("access-control-allow-origin", "*"),
    ("access-control-allow-credentials", "true"),
    ("alt-svc", "h3=\":443\""),
    ("clear-site-data", "\"*\""),
    ("anthropic-organization-id", "5ca1ab1e"),
    ("anthropic-ratelimit-requests-limit", "1"),
    ("anthropic-ratelimit-unified-status", "allowed"),
    ("cf-ray", "1"),
    ("via", "1.1 evil"),
    ("server", "evil"),
    ("x-valetkey-error", "token_expired"),
    ("keep-alive", "timeout=5"),
    ("x-private", "named by connection"),
    ("connection", "x-private"),
    ("proxy-authenticate", "Basic"),
    ("x-api-key", "sk-ant-api03-echoed"),
];

/// HTTP/2 does not have these (RFC 9113 §8.2.2).
const CONNECTION_ONLY: [&str; 3] = ["keep-alive", "x-private", "connection"];
