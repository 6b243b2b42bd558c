//! The features that devices may use, and who pays, however a request is written.

use serde_json::{Value, json};

use crate::batches::offering;
use testkit::http::{Answer, get, post, post_chunked};
use testkit::legs::Leg;
use testkit::service::TestService;
use testkit::stores::database::TestDatabase;
use testkit::upstream::Upstream;

#[tokio::test]
async fn a56_a_feature_that_a_device_may_not_use_reaches_nobody_wherever_it_stands() {
    let upstream = Upstream::start();
    let service = limited(&upstream, LIMITED);
    let token = service.token().await;
    for fields in DENIED {
        for (route, answer) in everywhere(&service, &token, fields).await {
            let refusal = (answer.status, answer.error_code());
            assert_eq!(refusal, (400, "feature_not_allowed".to_owned()), "{route} {fields}");
            assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{route} {fields}");
            let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.starts_with("This device may not use "), "{route} {fields}: {message}");
        }
    }
    for fields in AMBIGUOUS {
        for (route, answer) in everywhere(&service, &token, fields).await {
            // A repeated reference is refused for every device.
            let code = answer.error_code();
            let is_refused = answer.status == 400 && matches!(code.as_str(), "feature_ambiguous" | "body_invalid");
            assert!(is_refused, "{route} {fields}: {}", answer.text());
        }
    }
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
    for fields in ALLOWED {
        for (route, answer) in everywhere(&service, &token, fields).await {
            assert_eq!(answer.status, 200, "{route} {fields}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn without_a_policy_a_request_may_name_every_feature() {
    let upstream = Upstream::start();
    let service = offering(&upstream, |_| {});
    let token = service.token().await;
    for fields in DENIED.iter().chain(AMBIGUOUS) {
        for (route, answer) in everywhere(&service, &token, fields).await {
            let is_refused = answer.status == 400 && answer.text().contains("\"feature_");
            assert!(!is_refused, "{route} {fields}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a56_a_feature_at_the_end_of_a_long_body_is_refused_and_never_arrives_whole() {
    for leg in Leg::ALL {
        for (end, code) in [
            (r#","speed":"fast"}"#, "feature_not_allowed"),
            (r#","tools":[{"type":"web_search_20250305"}]}"#, "feature_not_allowed"),
            (r#","x":1"#, "feature_ambiguous"),
        ] {
            let upstream = leg.upstream();
            let service = limited(&upstream, LIMITED);
            let token = service.token().await;
            let body = format!(r#"{{"model":"claude-sonnet-5-5","messages":"{}"{end}"#, "x".repeat(2 << 20));
            let bearer = format!("Bearer {token}");
            let pieces = body.as_bytes().chunks(50_000).map(<[u8]>::to_vec).collect();
            for answer in [
                service.messages(&token, body.clone()).await,
                post_chunked(&service.at("/v1/messages"), &[("authorization", bearer.as_str())], pieces).await,
            ] {
                assert_eq!((answer.status, answer.error_code().as_str()), (400, code), "{leg:?} {end}");
            }
            upstream.wait_until("the end of both", |all| all.iter().all(|one| one.has_ended())).await;
            assert!(upstream.requests().iter().all(|received| !received.complete), "{leg:?} {end}");
        }
    }
}

#[tokio::test]
async fn a56_betas_are_judged_in_every_line_of_the_head_and_on_every_route() {
    let upstream = Upstream::start();
    let service = limited(&upstream, "betas=context-*+interleaved-thinking-2025-05-14");
    let bearer = format!("Bearer {}", service.token().await);
    let body = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
    let cases: [(&[&str], bool); 8] = [
        (&[], true),
        (&["context-1m-2025-08-07"], true),
        (&["context-1m-2025-08-07, interleaved-thinking-2025-05-14", " ,context-2,"], true),
        (&["fast-mode-2026-02-01"], false),
        (&["context-1m-2025-08-07,fast-mode-2026-02-01"], false),
        (&["context-1m-2025-08-07", "fast-mode-2026-02-01"], false),
        (&["Context-1m-2025-08-07"], false),
        (&["interleaved-thinking-2025-05-14-x"], false),
    ];
    for (lines, allowed) in cases {
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(lines.iter().map(|line| ("anthropic-beta", *line)));
        let batch = format!(r#"{{"requests":[{{"custom_id":"a","params":{body}}}]}}"#);
        for answer in [
            post(&service.at("/v1/messages?beta=true"), &headers, body).await,
            post(&service.at("/v1/messages/count_tokens"), &headers, body).await,
            post(&service.at(BATCHES), &headers, batch).await,
            get(&service.at(BATCHES), &headers).await,
            get(&service.at("/v1/models"), &headers).await,
        ] {
            if allowed {
                assert_eq!(answer.status, 200, "{lines:?}: {}", answer.text());
            } else {
                let refusal = (answer.status, answer.error_code());
                assert_eq!(refusal, (400, "feature_not_allowed".to_owned()), "{lines:?}");
            }
        }
    }
}

#[tokio::test]
async fn a56_an_advisor_without_a_cap_is_refused_by_name_where_max_tokens_is_limited() {
    let upstream = Upstream::start();
    let service = limited(&upstream, "max_tokens=100");
    let token = service.token().await;
    let advisor = |rest: &str| format!(r#""tools":[{{"type":"advisor_20260301","model":"claude-opus-5-5"{rest}}}]"#);
    for rest in ["", r#","max_tokens":null"#] {
        for (route, answer) in everywhere(&service, &token, &advisor(rest)).await {
            assert_eq!((answer.status, answer.error_code().as_str()), (400, "feature_not_allowed"), "{route} {rest}");
            let sentence =
                "This device may not use advisor without max_tokens: the operator allows a max_tokens of 100";
            assert!(answer.text().contains(sentence), "{route} {rest}: {}", answer.text());
        }
    }
    assert_eq!(upstream.connections(), 0);
    for (route, answer) in everywhere(&service, &token, &advisor(r#","max_tokens":100"#)).await {
        assert_eq!(answer.status, 200, "{route}: {}", answer.text());
    }
}

#[tokio::test]
async fn a56_a_message_that_names_no_service_tier_has_the_default_one() {
    let upstream = Upstream::start();
    let service = limited(&upstream, "service_tier=standard_only");
    let token = service.token().await;
    let codes = async |fields: &str| {
        let answers = everywhere(&service, &token, fields).await;
        answers.map(|(_, answer)| if answer.status == 200 { String::new() } else { answer.error_code() })
    };
    assert_eq!(codes(r#""service_tier":"standard_only""#).await, ["", "", ""]);
    assert_eq!(codes(r#""service_tier":"auto""#).await, ["feature_not_allowed"; 3]);
    assert_eq!(codes(r#""max_tokens":1"#).await, ["feature_not_allowed", "", ""], "only a message has a default tier");
    let said = service.messages(&token, r#"{"model":"claude-sonnet-5-5","messages":[]}"#).await.text();
    assert!(said.contains("the default service_tier auto: the operator allows the service tiers standard_only only"));
}

#[tokio::test]
async fn a55_a_body_that_chooses_who_pays_is_refused_for_every_device() {
    for words in ["", LIMITED] {
        let upstream = Upstream::start();
        let service = limited(&upstream, words);
        let token = service.token().await;
        for fields in [
            r#""billing_policy":{"type":"billing_policy","bill_to":"user_profile"}"#,
            r#""billing_policy":{"type":"billing_policy","bill_to":"self"}"#,
            r#""billing_policy" : null"#,
            r#""billin\u0067_policy":{}"#,
            r#""\u0062\u0069\u006c\u006c\u0069\u006e\u0067\u005f\u0070\u006f\u006c\u0069\u0063\u0079":{}"#,
            r#""metadata":{"user_id":"\"billing_policy\""},"billing_policy":{}"#,
            r#""billing_policy":{},"billing_policy":null"#,
        ] {
            for (route, answer) in everywhere(&service, &token, fields).await {
                assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{route} {fields}");
                assert!(answer.text().contains("`billing_policy`"), "{route} {fields}: {}", answer.text());
            }
        }
        assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0), "{words}");
        for fields in [
            r#""tools":[{"name":"t","input_schema":{"properties":{"billing_policy":{"type":"string"}}}}]"#,
            r#""metadata":{"billing_policy":"none"}"#,
            r#""metadata":{"user_id":"\"billing_policy\":{} \u0062illing_policy"}"#,
            r#""billing_policies":[]"#,
        ] {
            for (route, answer) in everywhere(&service, &token, fields).await {
                assert_eq!(answer.status, 200, "{route} {fields}: {}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn a55_a_body_that_says_who_is_meant_is_refused_for_every_device() {
    let upstream = Upstream::start();
    let service = limited(&upstream, "");
    let token = service.token().await;
    for (fields, name) in [
        (r#""user_profile_id":"profile_1""#, "user_profile_id"),
        (r#""\u0075ser_profile_id" : null"#, "user_profile_id"),
        (
            r#""\u0075\u0073\u0065\u0072\u005f\u0070\u0072\u006f\u0066\u0069\u006c\u0065\u005f\u0069\u0064":1"#,
            "user_profile_id",
        ),
        (r#""workspace_id":"workspace_1""#, "workspace_id"),
        (r#""metadata":{"user_profile_id":1},"workspace_id":1"#, "workspace_id"),
    ] {
        for (route, answer) in everywhere(&service, &token, fields).await {
            assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{route} {fields}");
            assert!(answer.text().contains(&format!("`{name}`")), "{route} {fields}: {}", answer.text());
        }
    }
    assert_eq!((upstream.connections(), service.usage.records().len()), (0, 0));
    for (route, answer) in everywhere(&service, &token, r#""metadata":{"user_profile_id":1,"workspace_id":2}"#).await {
        assert_eq!(answer.status, 200, "{route}: {}", answer.text());
    }
}

#[tokio::test]
async fn a55_who_pays_is_found_at_the_end_of_a_long_body_and_never_arrives_whole() {
    let filling = "x".repeat(2 << 20);
    for leg in Leg::ALL {
        let upstream = leg.upstream();
        let service = offering(&upstream, |_| {});
        let token = service.token().await;
        let headers = [("x-api-key", token.as_str())];
        for fields in [r#""billing_policy":{}"#, r#""billing\u005fpolicy":{}"#, r#""workspace_id":"w""#] {
            let message = format!(r#"{{"model":"claude-sonnet-5-5","messages":[],"x":"{filling}",{fields}}}"#);
            let batch = format!(r#"{{"requests":[{{"custom_id":"a","params":{message}}}]}}"#);
            for (path, body) in [("/v1/messages", message), (BATCHES, batch)] {
                let pieces = body.as_bytes().chunks(50_000).map(<[u8]>::to_vec).collect();
                for answer in [
                    post(&service.at(path), &headers, body.clone()).await,
                    post_chunked(&service.at(path), &headers, pieces).await,
                ] {
                    let refusal = (answer.status, answer.error_code());
                    assert_eq!(refusal, (400, "body_invalid".to_owned()), "{leg:?} {path} {fields}");
                }
            }
        }
        upstream.wait_until("the end of all", |all| all.iter().all(|one| one.has_ended())).await;
        assert!(upstream.requests().iter().all(|received| !received.complete), "{leg:?}");
        let good = message(&format!(r#""x":"{filling}","tools":[{{"billing_policy":1}}]"#));
        assert_eq!(service.messages(&token, good).await.status, 200, "{leg:?}");
    }
}

#[tokio::test]
async fn a_policy_of_one_device_goes_over_the_default_field_by_field_and_is_in_force_at_once() {
    for database in TestDatabase::each().await {
        let upstream = Upstream::start();
        let start = || {
            TestService::before_with(&upstream, |flags| {
                flags.set("DATABASE_URL", database.setting());
                flags.set("DEVICE_FEATURES", "fast_mode=off,max_tokens=8192");
            })
        };
        let (service, other) = (start(), start());
        let token = service.token().await;
        let code = async |service: &TestService, fields: &str| {
            let answer = service.messages(&token, message(fields)).await;
            if answer.status == 200 { String::new() } else { answer.error_code() }
        };
        let (fast, long, searching) =
            (r#""speed":"fast""#, r#""max_tokens":9000"#, r#""tools":[{"type":"web_search_20250305"}]"#);
        let all = async |service: &TestService| {
            [code(service, fast).await, code(service, long).await, code(service, searching).await]
        };
        let denied = "feature_not_allowed";
        assert_eq!(all(&service).await, [denied, denied, ""], "{}", database.name);
        for (features, expected) in [
            (json!({ "max_tokens": 0, "server_tools": [] }), [denied, "", denied]),
            (json!({ "fast_mode": true, "max_tokens": 9000, "server_tools": ["web_*"] }), ["", "", ""]),
            (json!({ "server_tools": ["web_fetch"], "threads": null }), [denied, denied, denied]),
            (json!({}), [denied, denied, ""]),
            (Value::Null, [denied, denied, ""]),
        ] {
            let change = json!({ "features": features });
            let changed = service.admin("PATCH", "/admin/devices/device-0001", Some(change)).await;
            assert!(changed.status < 300, "{}: {}", database.name, changed.text());
            let mut shown = features.clone();
            if let Some(fields) = shown.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            assert_eq!(changed.json()["features"], shown, "{}", database.name);
            let device = service.admin("GET", "/admin/devices/device-0001", None).await.json();
            assert_eq!(device["features"], shown, "{}", database.name);
            assert_eq!(all(&service).await, expected, "{} {features}", database.name);
            other.until(async || all(&other).await == expected).await;
            let trail = service.admin("GET", "/admin/audit?limit=1", None).await.json();
            assert_eq!(trail["items"][0]["detail"]["features"], features, "{}", database.name);
        }
        let spared = service.token_for("device-0002").await;
        assert_eq!(service.messages(&spared, message(searching)).await.status, 200, "{}", database.name);
    }
}

#[tokio::test]
async fn the_default_policy_changes_without_a_restart_and_for_tokens_in_use() {
    let (folder, upstream) = (tempfile::TempDir::new().unwrap(), Upstream::start());
    let path = folder.path().join("valetkey.toml");
    std::fs::write(&path, "device_features = [\"fast_mode=off\"]\n").unwrap();
    let service = TestService::before_with(&upstream, |flags| flags.set("CONFIG_FILE", path.display().to_string()));
    let token = service.token().await;
    let fast = || message(r#""speed":"fast""#);
    assert_eq!(service.messages(&token, fast()).await.error_code(), "feature_not_allowed");
    std::fs::write(&path, "device_features = [\"threads=off\"]\n").unwrap();
    service.until(async || service.messages(&token, fast()).await.status == 200).await;
    let shown = service.admin("GET", "/admin/config", None).await.json();
    assert_eq!(shown["DEVICE_FEATURES"], json!(["threads=off"]));
}

/// A service with batches, and with this default policy.
fn limited(upstream: &Upstream, words: &str) -> TestService {
    offering(upstream, |flags| flags.set("DEVICE_FEATURES", words))
}

/// A message with these fields.
fn message(fields: &str) -> String {
    let messages = if fields.contains(r#""messages""#) { "" } else { r#""messages":[],"# };
    format!(r#"{{"model":"claude-sonnet-5-5",{messages}{fields}}}"#)
}

/// A message with these fields, the count of its tokens, and a batch with it as its second request.
async fn everywhere(service: &TestService, token: &str, fields: &str) -> [(&'static str, Answer); 3] {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let body = message(fields);
    let good = r#"{"custom_id":"a","params":{"model":"claude-sonnet-5-5","messages":[]}}"#;
    let batch = format!(r#"{{"requests":[{good},{{"custom_id":"b","params":{body}}}]}}"#);
    [
        ("messages", post(&service.at("/v1/messages"), &headers, body.clone()).await),
        ("count_tokens", post(&service.at("/v1/messages/count_tokens"), &headers, body).await),
        ("batches", post(&service.at(BATCHES), &headers, batch).await),
    ]
}

const BATCHES: &str = "/v1/messages/batches";

const LIMITED: &str = "server_tools=web_fetch+tool_search_tool_*,fast_mode=off,inference_geo=us,mcp_servers=off,\
    code_execution=off,containers=off,threads=off,betas=context-*,max_tokens=8192";

const DENIED: &[&str] = &[
    r#""tools":[{"type":"web_fetch_20260318","name":"web_fetch"}]"#,
    r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#,
    r#""tools":[{"name":"a"},{"t\u0079pe":"web_search_20250305"}]"#,
    r#""tools":[{"type":"web\u005fsearch_20250305"}]"#,
    r#""tools":{"type":"web_search_20250305"}"#,
    r#""tools":[],"tools":[{"type":"web_search_20250305"}]"#,
    r#""tools":[],"\u0074ools":[{"type":"web_search_20250305"}]"#,
    r#""tools":[{"type":"time_travel_20990101"}]"#,
    r#""tools":[{"type":"advisor_20260301","model":"claude-opus-5-5"}]"#,
    r#""tools":[{"type":"code_execution_20260521"}]"#,
    r#""tools":[{"type":"bash_code_execution_20250825"}]"#,
    r#""tools":[{"type":"mcp_toolset","mcp_server_name":"m"}]"#,
    r#""tools":[{"type":"web_fetch_20250910","max_tokens":9000}]"#,
    r#""tools":[{"type":"tool_definition","definition":{"type":"web_search_20250305"}}]"#,
    r#""messages":[{"content":[{"type":"tool_addition","tool":{"type":"web_search_20250305"}}]}]"#,
    r#""messages":[{"content":[{"type":"tool_result","content":[{"tool":{"definition":{"type":"web_search_20250305"}}}]}]}]"#,
    r#""messages":[{"type":"tool_addition","tool":{"definition":{"type":"web_search_20250305"}}}]"#,
    r#""fallbacks":[{"model":"claude-haiku-5-5","tools":[{"type":"web_search_20250305"}]}]"#,
    r#""fallbacks":[{"model":"claude-haiku-5-5","fallbacks":[{"model":"claude-haiku-5-5","speed":"fast"}]}]"#,
    r#""fallbacks":[{"model":"claude-haiku-5-5","thread":{"type":"create"}}]"#,
    r#""messages":[{"content":[{"type":"tool_addition","tool":{"type":"tool_definition","definition":{"type":"web_search_20250305"}}}]}]"#,
    r#""messages":[{"content":{"tool":{"d\u0065finition":{"type":"web_search_20250305"}}}}]"#,
    r#""messages":[{"content":[{"type":"compaction","tool_changes":[{"tool":{"definition":{"type":"web_search_20250305"}}}]}]}]"#,
    r#""system":[{"type":"text","text":"a"},{"tool":{"definition":{"type":"code_execution_20260521"}}}]"#,
    r#""mcp_servers":[{"type":"url","url":"https://mcp.example","name":"m"}]"#,
    r#""mcp_servers":{"url":"https://mcp.example"}"#,
    r#""container":"container_1""#,
    r#""container":{"skills":[{"type":"anthropic","skill_id":"pptx"}]}"#,
    r#""thread":{"type":"create"}"#,
    r#""thread":{"type":"continue","previous_message_id":"msg_1"}"#,
    r#""speed":"fast""#,
    r#""sp\u0065ed":"fast""#,
    r#""speed":"warp""#,
    r#""fallbacks":[{"model":"claude-haiku-5-5"},{"model":"claude-opus-5-5","speed":"fast"}]"#,
    r#""fallbacks":[{"model":"claude-haiku-5-5","max_tokens":9000}]"#,
    r#""fallbacks":{"model":"claude-haiku-5-5","max_tokens":9000}"#,
    r#""max_tokens":8193"#,
    r#""max\u005ftokens":8193"#,
    r#""inference_geo":"eu""#,
    r#""betas":["context-1m-2025-08-07","fast-mode-2026-02-01"]"#,
    r#""anthropic_beta":"fast-mode-2026-02-01""#,
];

const AMBIGUOUS: &[&str] = &[
    r#""max_tokens":1,"max_tokens":9000"#,
    r#""max_tokens":9000,"max\u005ftokens":1"#,
    r#""max_tokens":"9000""#,
    r#""max_tokens":9e3"#,
    r#""speed":"standard","speed":"fast""#,
    r#""speed":["fast"]"#,
    r#""thread":null,"thread":{"type":"create"}"#,
    r#""tools":[{"type":"custom","type":"web_search_20250305"}]"#,
    r#""tools":[{"type":["web_search_20250305"]}]"#,
    r#""fallbacks":[{"model":"claude-haiku-5-5","max_tokens":1,"max_tokens":9000}]"#,
    r#""tools":[}"#,
    r#""tools":[[{"type":"web_search_20250305"}]]"#,
    r#""messages":[{"content":[[{"tool":{"definition":{"type":"web_search_20250305"}}}]]}]"#,
];

const ALLOWED: &[&str] = &[
    r#""tools":[{"name":"a","input_schema":{"type":"object","properties":{"type":{"type":"web_search_20250305"}}}}]"#,
    r#""tools":[{"type":"custom","name":"a"},{"type":null,"name":"b"},{"type":"bash_20250124","name":"bash"}]"#,
    r#""tools":[{"type":"web_fetch_20250910","name":"web_fetch"},{"type":"tool_search_tool_bm25_20251119"}]"#,
    r#""messages":[{"role":"user","content":[{"type":"text","text":"\"speed\":\"fast\""}]}]"#,
    r#""messages":[{"content":[{"type":"server_tool_use","name":"web_search","input":{"type":"web_search_20250305"}}]}]"#,
    r#""messages":[{"content":[{"type":"tool_addition","tool":{"type":"tool_reference","name":"web_search"}}]}]"#,
    r#""speed":"standard","max_tokens":8192,"inference_geo":"us","betas":["context-1m-2025-08-07"]"#,
    r#""speed":null,"container":null,"thread":null,"mcp_servers":[],"inference_geo":null,"service_tier":"auto""#,
    r#""fallbacks":[{"model":"claude-haiku-5-5","max_tokens":8192,"speed":"standard"},"claude-opus-5-5"]"#,
    r#""fallbacks":"default","metadata":{"speed":"fast","thread":{},"max_tokens":9000}"#,
];
