//! Ways around a device's limits, and ways to spend another's (A45, A46, A48).

use std::collections::HashSet;

use aws_lc_rs::hmac;
use valetkey::service::config::Flags;

use testkit::http::{client, get, post};
use testkit::service::forge::{HEADER, claims, signed};
use testkit::service::{TestService, metrics};
use testkit::upstream::{Answer, Gate, Upstream};

#[tokio::test]
async fn a45_new_tokens_are_no_new_limits_however_they_are_had() {
    let (upstream, service) = limited(|flags| flags.set("RATE_LIMIT_MAX", "3"));
    let first = service.token().await;
    let minted = service.admin("POST", "/admin/tokens", Some(serde_json::json!({ "device_id": "device-0001" }))).await;
    let minted = format!("sk-ant-proxy-{}", minted.json()["token"].as_str().unwrap());
    let mut tokens = vec![first.clone(), service.token().await, minted];
    for _ in 0..5 {
        let refreshed = post(&service.at("/refresh"), &[("authorization", &format!("Bearer {first}"))], "").await;
        tokens.push(format!("sk-ant-proxy-{}", refreshed.json()["token"].as_str().unwrap()));
    }
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), tokens.len());
    let mut statuses = Vec::new();
    for token in &tokens {
        statuses.push(service.messages(token, BODY).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429, 429, 429]);
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a45_requests_at_once_over_many_connections_and_workers_admit_no_more() {
    let (upstream, service) = limited(|flags| {
        flags.set("RATE_LIMIT_MAX", "20");
        flags.set("WORKERS", "2");
    });
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(service.token().await);
    }
    let asking: Vec<_> = (0..200)
        .map(|number| {
            let request = client().post(service.at("/v1/messages")).bearer_auth(&tokens[number % 4]).body(BODY);
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        })
        .collect();
    let mut admitted = 0;
    for asked in asking {
        match asked.await.unwrap() {
            200 => admitted += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!((admitted, upstream.requests().len()), (20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a45_refreshes_at_once_all_answer_and_lift_no_limit() {
    let (_upstream, service) = limited(|flags| flags.set("RATE_LIMIT_MAX", "1"));
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    let refreshing: Vec<_> = (0..50)
        .map(|_| {
            let request = client().post(service.at("/refresh")).bearer_auth(&token);
            tokio::spawn(async move { request.send().await.unwrap().json::<serde_json::Value>().await.unwrap() })
        })
        .collect();
    let mut tokens = HashSet::new();
    for refreshed in refreshing {
        tokens.insert(refreshed.await.unwrap()["token"].as_str().unwrap().to_owned());
    }
    assert_eq!(tokens.len(), 50, "each has a name of its own");
    for token in tokens.iter().take(3) {
        assert_eq!(service.messages(&format!("sk-ant-proxy-{token}"), BODY).await.status, 429);
    }
}

#[tokio::test]
async fn a46_what_names_a_device_and_is_not_genuine_costs_that_device_nothing() {
    let (upstream, service) = limited(|flags| {
        flags.set("RATE_LIMIT_MAX", "2");
        flags.set("CONCURRENT_REQUESTS", "1");
    });
    let victim = service.token().await;
    let forged = signed(hmac::HMAC_SHA256, "fedcba9876543210fedcba9876543210", HEADER, &claims(&service).to_string());
    let (_, signature) = forged.rsplit_once('.').unwrap();
    let (message, _) = victim.rsplit_once('.').unwrap();
    for token in [forged.clone(), format!("{message}.{signature}"), format!("{message}."), "sk-ant-proxy-x".into()] {
        for _ in 0..25 {
            assert_eq!(service.messages(&token, BODY).await.status, 401);
            assert_eq!(
                post(&service.at("/refresh"), &[("authorization", &format!("Bearer {token}"))], "").await.status,
                401
            );
        }
    }
    let page = metrics(&service).await;
    assert!(page.contains("valetkey_limit_decisions_total{decision=\"admitted\"} 0\n"), "{page}");
    assert_eq!(service.messages(&victim, BODY).await.status, 200);
    assert_eq!(service.messages(&victim, BODY).await.status, 200);
    assert_eq!(service.messages(&victim, BODY).await.status, 429);
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn a46_an_expired_or_revoked_token_costs_its_device_nothing() {
    let (_upstream, service) = limited(|flags| flags.set("RATE_LIMIT_MAX", "1"));
    let old = service.token().await;
    service.clock.advance(std::time::Duration::from_secs(25 * 3600));
    for _ in 0..10 {
        assert_eq!(service.messages(&old, BODY).await.error_code(), "token_expired");
    }
    let minted = service.admin("POST", "/admin/tokens", Some(serde_json::json!({ "device_id": "device-0001" }))).await;
    let minted = minted.json();
    let revocation = serde_json::json!({ "jti": minted["jti"] });
    assert_eq!(service.admin("POST", "/admin/revocations", Some(revocation)).await.status, 201);
    let revoked = format!("sk-ant-proxy-{}", minted["token"].as_str().unwrap());
    for _ in 0..10 {
        assert_eq!(service.messages(&revoked, BODY).await.error_code(), "token_outdated");
    }
    let new = service.token().await;
    assert_eq!(service.messages(&new, BODY).await.status, 200);
    assert_eq!(service.messages(&new, BODY).await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a48_of_hundreds_of_streams_of_one_device_as_many_are_open_as_may_be_and_others_are_served() {
    let (upstream, service) = limited(|flags| {
        flags.set("CONCURRENT_REQUESTS", "4");
        flags.set("WORKERS", "2");
    });
    let (token, other) = (service.token().await, service.token_for("device-0002").await);
    let gate = Gate::new();
    for _ in 0..4 {
        upstream.answer_next(Answer::message_stream("hello").hold_after(1, gate.clone()));
    }
    let http = client();
    let asking: Vec<_> = (0..300)
        .map(|_| {
            let request = http.post(service.at("/v1/messages")).bearer_auth(&token).body(BODY);
            tokio::spawn(async move {
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                // A stream is read to its end, which comes when the gate opens.
                answer.bytes().await.unwrap();
                status
            })
        })
        .collect();
    upstream.wait_for_open_streams(4).await;
    service.until(async || metrics(&service).await.contains("decision=\"denied_concurrent\"} 296\n")).await;
    assert_eq!(upstream.open_streams(), 4);
    assert_eq!(service.messages(&other, BODY).await.status, 200, "others are served meanwhile");
    gate.open();
    let mut statuses = std::collections::HashMap::<u16, usize>::new();
    for asked in asking {
        *statuses.entry(asked.await.unwrap()).or_default() += 1;
    }
    assert_eq!((statuses[&200], statuses[&429]), (4, 296));
    service.usage.wait_for(5).await;
    assert_eq!(service.messages(&token, BODY).await.status, 200, "there is room again");
}

#[tokio::test]
async fn a48_names_that_clients_make_up_become_no_labels_even_when_the_upstream_knows_them_all() {
    let (upstream, service) = limited(|_| {});
    let token = service.token().await;
    for number in 0..200 {
        let model = format!("claude-made-up-{number}");
        upstream.answer_next(Answer::message_stream_of(&model, "hello"));
        let body = format!(r#"{{"model":"{model}","stream":true,"messages":[]}}"#);
        assert_eq!(service.messages(&token, body).await.status, 200);
    }
    service.usage.wait_for(200).await;
    let page = metrics(&service).await;
    let labels: HashSet<_> = page.split("model=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(labels.len() <= 65 && labels.contains("other"), "{} labels", labels.len());
    // Neither do devices, kids, paths, methods or user agents.
    for path in ["/v1/made-up-path", "/made-up-path"] {
        let headers = [("user-agent", "made-up-agent"), ("x-api-key", "sk-ant-proxy-made-up-token")];
        assert_eq!(get(&service.at(path), &headers).await.status, 404);
    }
    let page = metrics(&service).await;
    for made_up in ["made-up-path", "made-up-agent", "made-up-token", "device-0001"] {
        assert!(!page.contains(made_up), "{made_up}: {page}");
    }
    assert!(page.len() < 64 << 10, "{} bytes", page.len());
}

#[tokio::test]
async fn a48_a_name_longer_than_any_model_is_not_kept_with_the_request() {
    let (upstream, service) = limited(|_| {});
    let token = service.token().await;
    upstream.answer_always(Answer::error(404, "not_found_error", "no such model"));
    for (length, kept) in [(128, true), (129, false), (16_000, false)] {
        let name = "m".repeat(length);
        assert_eq!(service.messages(&token, format!(r#"{{"model":"{name}"}}"#)).await.status, 404);
        let record = service.usage.records().pop().unwrap();
        assert_eq!(record.model_asked.is_some(), kept, "{length}");
    }
}

fn limited(adjust: impl FnOnce(&mut Flags)) -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, adjust);
    (upstream, service)
}

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
