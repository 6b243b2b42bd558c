//! A token for certain models gets no other, however the request is written.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use testkit::http::{Answer, post, post_chunked};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test]
async fn an_allowed_model_passes_and_a_denied_one_reaches_nobody() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let token = service.token().await;
    for model in ["claude-haiku-5-5", "claude-haiku-5-5-20260101", "claude-sonnet-5-5"] {
        let body = format!(r#"{{"stream":true,"messages":[],"model":"{model}"}}"#);
        assert_eq!(service.messages(&token, body).await.status, 200, "{model}");
    }
    let passed = upstream.requests().len();
    for model in ["claude-opus-5-5", "Claude-Haiku-5-5", "claude-sonnet-5-5 ", "claude-s\u{43e}nnet-5-5", "*", ""] {
        let answer = service.messages(&token, format!(r#"{{"model":"{model}","messages":[]}}"#)).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "model_not_allowed"), "{model}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        let counted = count_tokens(&service, &token, format!(r#"{{"model":"{model}","messages":[]}}"#)).await;
        assert_eq!(counted.error_code(), "model_not_allowed", "{model}");
    }
    assert_eq!((upstream.requests().len(), service.usage.records().len()), (passed, passed));
}

#[tokio::test]
async fn a30_an_entry_with_a_star_allows_every_id_of_a_model_or_none() {
    let upstream = Upstream::start();
    for entry in ["claude-haiku-5-5-*", "claude-haiku-5-5-2026*"] {
        let service = TestService::before_with(&upstream, |flags| flags.set("ALLOWED_MODELS", entry));
        let token = service.token().await;
        for ending in ["", "[1m]", "-20260922", "-20260922[1m]", "-20261001"] {
            let body = format!(r#"{{"model":"claude-haiku-5-5{ending}","messages":[]}}"#);
            assert_eq!(service.messages(&token, body.clone()).await.status, 200, "{entry} {body}");
            assert_eq!(count_tokens(&service, &token, body.clone()).await.status, 200, "{entry} {body}");
        }
        for model in ["claude-haiku-5", "claude-haiku-5[1m]", "claude-haiku-5-20260922", "claude-haiku-5-55"] {
            let answer = service.messages(&token, format!(r#"{{"model":"{model}","messages":[]}}"#)).await;
            assert_eq!(answer.error_code(), "model_not_allowed", "{entry} {model}");
        }
    }
}

#[tokio::test]
async fn a30_a_model_beside_the_places_that_the_api_has_reaches_nobody() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let token = service.token().await;
    let advisor = r#"{"type":"advisor_20260301","name":"advisor","model":"claude-opus-5-5"}"#;
    for (fields, code) in [
        (r#""messages":[{"role":"user","content":[{"type":"tool_addition","tool":ADVISOR}]}]"#, "model_not_allowed"),
        (
            r#""messages":[{"content":[{"type":"tool_result","content":[{"type":"tool_addition","tool":{"definition":ADVISOR}}]}]}]"#,
            "model_not_allowed",
        ),
        (r#""fallbacks":[{"model":"claude-haiku-5-5","tools":[ADVISOR]}]"#, "model_not_allowed"),
        (
            r#""fallbacks":[{"model":"claude-haiku-5-5","fallbacks":[{"model":"claude-opus-5-5"}]}]"#,
            "model_not_allowed",
        ),
        (r#""tools":[[ADVISOR]]"#, "model_ambiguous"),
        (r#""messages":[[{"content":[{"tool":ADVISOR}]}]]"#, "model_ambiguous"),
    ] {
        let body = format!(r#"{{"model":"claude-sonnet-5-5",{}}}"#, fields.replace("ADVISOR", advisor));
        for answer in [service.messages(&token, body.clone()).await, count_tokens(&service, &token, body.clone()).await]
        {
            assert_eq!((answer.status, answer.error_code().as_str()), (400, code), "{body}");
        }
    }
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
}

#[tokio::test]
async fn a30_a_body_whose_model_is_not_certain_reaches_nobody() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let token = service.token().await;
    let good = r#""model":"claude-sonnet-5-5""#;
    for body in [
        format!(r#"{{{good},"model":"claude-opus-5-5"}}"#),
        format!(r#"{{{good},{good}}}"#),
        format!(r#"{{{good},"\u006dodel":"claude-opus-5-5"}}"#),
        format!(r#"{{"\u006d\u006f\u0064\u0065\u006c":"claude-opus-5-5",{good}}}"#),
        format!(r#"{{"messages":[{{{good}}}]}}"#),
        format!(r#"[{{{good}}}]"#),
        format!("\u{feff}{{{good}}}"),
        format!(r#"{{{good}}}{{"model":"claude-opus-5-5"}}"#),
        format!(r#"{{{good}"#),
        r#"{"model":["claude-sonnet-5-5"]}"#.to_owned(),
        r#"{"model":null}"#.to_owned(),
        "model=claude-sonnet-5-5".to_owned(),
        String::new(),
    ] {
        let answer = service.messages(&token, body.clone()).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "model_ambiguous"), "{body}");
    }
    let utf16: Vec<u8> = format!("{{{good}}}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(service.messages(&token, utf16).await.error_code(), "model_ambiguous");
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
}

#[tokio::test]
async fn a30_a_second_model_at_the_end_of_a_long_body_is_refused_and_never_arrives_whole() {
    for leg in Leg::ALL {
        for (end, code) in [
            (r#","model":"claude-opus-5-5"}"#, "model_ambiguous"),
            (r#","x":1"#, "model_ambiguous"),
            (r#"}{"model":"claude-opus-5-5"}"#, "model_ambiguous"),
        ] {
            let upstream = leg.upstream();
            let service = restricted(&upstream);
            let token = service.token().await;
            let body = format!(r#"{{"model":"claude-sonnet-5-5","messages":"{}"{end}"#, "x".repeat(2 << 20));
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str())];
            let pieces = body.as_bytes().chunks(50_000).map(<[u8]>::to_vec).collect();
            for answer in [
                service.messages(&token, body.clone()).await,
                post_chunked(&service.at("/v1/messages"), &headers, pieces).await,
            ] {
                assert_eq!((answer.status, answer.error_code().as_str()), (400, code), "{leg:?} {end}");
            }
            upstream.wait_until("the end of both", |all| all.iter().all(|one| one.has_ended())).await;
            assert!(upstream.requests().iter().all(|received| !received.complete), "{leg:?} {end}");
            assert!(service.usage.records().len() <= 2);
        }
    }
}

#[tokio::test]
async fn a30_a_body_just_too_long_to_hold_is_refused_before_its_last_byte_goes_up() {
    let nameless = (r#"{"messages":""#, r#""}"#);
    let endless = (r#"{"model":"claude-sonnet-5-5","messages":""#, r#"""#);
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = restricted(&upstream);
        let token = service.token().await;
        for (start, end) in [nameless, endless] {
            for length in [HELD + 1, HELD + 100_000] {
                let filling = "x".repeat(length - start.len() - end.len());
                let answer = service.messages(&token, format!("{start}{filling}{end}")).await;
                let refusal = (answer.status, answer.error_code());
                assert_eq!(refusal, (400, "model_ambiguous".to_owned()), "{leg:?} {start} {length}");
                upstream.wait_until("the end of all", |all| all.iter().all(|one| one.has_ended())).await;
                let complete = upstream.requests().iter().any(|received| received.complete);
                assert!(!complete, "{leg:?} {start} {length}");
            }
        }
    }
}

#[tokio::test]
async fn a30_a_model_behind_30_mb_of_spaces_is_found() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let token = service.token().await;
    let spaces = " ".repeat(30_000_000);
    let denied = service.messages(&token, format!(r#"{{{spaces}"model":"claude-opus-5-5"}}"#)).await;
    assert_eq!((denied.status, denied.error_code().as_str()), (400, "model_not_allowed"));
    let allowed = service.messages(&token, format!(r#"{{{spaces}"model":"claude-sonnet-5-5","messages":[]}}"#)).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(upstream.requests().iter().filter(|received| received.complete).count(), 1);
}

#[tokio::test]
async fn a33_depth_and_numbers_cost_nothing() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let token = service.token().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let digits = "9".repeat(100_000);
    let body = format!(r#"{{"a":{deep},"b":{digits},"model":"claude-opus-5-5"}}"#);
    assert_eq!(service.messages(&token, body).await.error_code(), "model_not_allowed");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a30_a_compressed_body_is_refused() {
    let upstream = Upstream::start();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(br#"{"model":"claude-opus-5-5","messages":[]}"#).unwrap();
    let body = gzip.finish().unwrap();
    // Who may ask for any model may still not name others' files.
    for service in [restricted(&upstream), TestService::before(&upstream)] {
        for encoding in ["gzip", "br", "zstd", "identity, gzip", "GZIP"] {
            let answer = encoded(&service, encoding, body.clone()).await;
            assert_eq!((answer.status, answer.error_code().as_str()), (415, "encoding_unsupported"), "{encoding}");
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a30_what_a_request_says_beside_its_body_does_not_choose_the_model() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let bearer = format!("Bearer {}", service.token().await);
    let (good, denied) = (r#"{"model":"claude-sonnet-5-5","messages":[]}"#, r#"{"model":"claude-opus-5-5"}"#);
    let form = "--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nclaude-sonnet-5-5\r\n--x--\r\n";
    for kind in ["application/json", "text/plain", "application/octet-stream", "multipart/form-data; boundary=x", "x"] {
        for query in ["", "?model=claude-sonnet-5-5", "?model=claude-opus-5-5&model=claude-sonnet-5-5"] {
            for (body, expected) in [
                (good, ""),
                (denied, "model_not_allowed"),
                (r#"{"messages":[]}"#, "model_ambiguous"),
                (form, "model_ambiguous"),
            ] {
                let before = upstream.requests().len();
                let headers = [
                    ("authorization", bearer.as_str()),
                    ("content-type", kind),
                    ("x-model", "claude-opus-5-5"),
                    ("anthropic-model", "claude-opus-5-5"),
                ];
                let answer = post(&service.at(&format!("/v1/messages{query}")), &headers, body).await;
                let went_up = upstream.requests().split_off(before);
                if expected.is_empty() {
                    assert_eq!((answer.status, went_up.len()), (200, 1), "{kind} {query} {body}");
                    assert_eq!(went_up[0].target, format!("/v1/messages{query}"));
                    assert_eq!(went_up[0].body, body.as_bytes());
                } else {
                    assert_eq!((answer.error_code().as_str(), went_up.len()), (expected, 0), "{kind} {query} {body}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refreshed_token_keeps_the_models_of_its_first() {
    let upstream = Upstream::start();
    let service = restricted(&upstream);
    let bearer = format!("Bearer {}", service.token().await);
    let refreshed = post(&service.at("/refresh"), &[("authorization", &bearer)], "").await.json();
    assert_eq!(refreshed["models"], serde_json::json!(["claude-haiku-*", "claude-sonnet-5-5"]));
    let token = format!("sk-ant-proxy-{}", refreshed["token"].as_str().unwrap());
    let answer = service.messages(&token, r#"{"model":"claude-opus-5-5"}"#).await;
    assert_eq!(answer.error_code(), "model_not_allowed");
}

fn restricted(upstream: &Upstream) -> TestService {
    TestService::before_with(upstream, |flags| flags.set("ALLOWED_MODELS", "claude-haiku-*,claude-sonnet-5-5"))
}

async fn count_tokens(service: &TestService, token: &str, body: String) -> Answer {
    let bearer = format!("Bearer {token}");
    post(&service.at("/v1/messages/count_tokens"), &[("authorization", &bearer)], body).await
}

async fn encoded(service: &TestService, encoding: &str, body: Vec<u8>) -> Answer {
    let bearer = format!("Bearer {}", service.token().await);
    post(&service.at("/v1/messages"), &[("authorization", &bearer), ("content-encoding", encoding)], body).await
}

/// The longest body that is looked at whole before any of it goes up.
const HELD: usize = 1 << 20;
