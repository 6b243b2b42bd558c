//! What `/bootstrap` gives to those who ask for too much: other people's ids, thousands of ids, odd ids (A14–A17).

use std::collections::HashSet;
use std::net::UdpSocket;

use serde_json::{Value, json};

use testkit::http::wire::Wire;
use testkit::http::{Answer, client, post};
use testkit::service::{TestService, metrics};
use testkit::upstream::Upstream;

#[tokio::test]
async fn a14_who_may_not_enrol_changes_nothing_for_the_device_he_names() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| {
        enrolment(flags);
        flags.set("RATE_LIMIT_MAX", "3");
    });
    let victim = enrolled(&service, "device-0001").await;
    assert_eq!(service.messages(&victim, BODY).await.status, 200);
    for enrolment in [json!(null), json!(""), json!("guess-of-an-enrolment-token")] {
        for _ in 0..20 {
            let body = json!({ "device_id": "device-0001", "enrolment": enrolment });
            let answer = bootstrap(&service, body).await;
            assert_eq!(answer.status, 401, "{}", answer.text());
            assert!(answer.json()["token"].is_null());
        }
    }
    // Its token, its limit and its refresh are what they were.
    assert_eq!(service.messages(&victim, BODY).await.status, 200);
    let refreshed = post(&service.at("/refresh"), &[("authorization", &format!("Bearer {victim}"))], "").await;
    assert_eq!(refreshed.status, 200);
    assert_eq!(service.messages(&victim, BODY).await.status, 200);
    assert_eq!(service.messages(&victim, BODY).await.error_code(), "rate_limited", "three, as before");
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn a14_a_revoked_id_gets_no_token_whoever_asks_for_it() {
    for mode in ["open", "enrolment"] {
        let service = TestService::start_with("http://127.0.0.1:9", |flags| {
            enrolment(flags);
            flags.set("BOOTSTRAP_MODE", mode);
        });
        let revoked = service.admin("POST", "/admin/revocations", Some(json!({ "device_id": "device-0001" }))).await;
        assert_eq!(revoked.status, 201);
        let answer = bootstrap(&service, json!({ "device_id": "device-0001", "enrolment": ENROLMENT })).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "token_revoked"), "{mode}");
        let other = bootstrap(&service, json!({ "device_id": "device-0002", "enrolment": ENROLMENT })).await;
        assert_eq!(other.status, 200, "{mode}");
    }
}

#[tokio::test]
async fn a15_who_may_not_enrol_cannot_tell_a_known_from_an_unknown_or_a_revoked_id() {
    let upstream = Upstream::start();
    for mode in ["enrolment", "closed"] {
        let service = TestService::before_with(&upstream, |flags| {
            enrolment(flags);
            flags.set("BOOTSTRAP_MODE", mode);
        });
        let minted = service.admin("POST", "/admin/tokens", Some(json!({ "device_id": "device-0001" }))).await.json();
        let known = format!("sk-ant-proxy-{}", minted["token"].as_str().unwrap());
        assert_eq!(service.messages(&known, BODY).await.status, 200);
        let revoked = service.admin("POST", "/admin/revocations", Some(json!({ "device_id": "device-0003" }))).await;
        assert_eq!(revoked.status, 201);
        for enrolment in [None, Some("guess-of-an-enrolment-token")] {
            let mut seen = HashSet::new();
            for id in ["device-0001", "device-0002", "device-0003"] {
                let mut body = json!({ "device_id": id });
                if let Some(enrolment) = enrolment {
                    body["enrolment"] = enrolment.into();
                }
                seen.insert(shape(&bootstrap(&service, body).await));
            }
            assert_eq!(seen.len(), 1, "{mode} {enrolment:?}: {seen:?}");
        }
    }
}

/// The exception, which the threat model names: a revoked device is told so, for its app to say it to its user.
#[tokio::test]
async fn a15_who_may_enrol_is_told_of_a_revoked_id_and_of_nothing_else() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let known = service.token().await;
    assert_eq!(service.messages(&known, BODY).await.status, 200);
    service.admin("POST", "/admin/revocations", Some(json!({ "device_id": "device-0003" }))).await;
    let answers = [
        bootstrap(&service, json!({ "device_id": "device-0001" })).await,
        bootstrap(&service, json!({ "device_id": "device-0002" })).await,
        bootstrap(&service, json!({ "device_id": "device-0003" })).await,
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 200, 401]);
    assert_eq!(shape(&answers[0]), shape(&answers[1]));
    assert_eq!(answers[2].error_code(), "token_revoked");
}

#[tokio::test]
async fn a16_an_id_that_could_be_read_in_two_ways_is_none() {
    let service = TestService::start("http://127.0.0.1:9");
    let huge = "a".repeat(12_000);
    for id in [
        "Device-0001",
        "DEVICE-0001",
        "device-0001 ",
        "\tdevice-0001",
        "device-0001\n",
        "device-0001\r\nx: y",
        "device-0001\0",
        "d\u{e9}vice-0001",
        "de\u{301}vice-0001",
        "device\u{2010}0001",
        "device-000\u{ff11}",
        "device-\u{661}",
        "device:0001",
        "device*001",
        "device/../0001",
        "device%2d0001",
        "' OR '1'='1",
        "x'; DROP TABLE devices; --",
        "{\"a\":\"b\"}",
        "-device-0001",
        "device-0001.",
        "..........",
        "1234567",
        &huge,
    ] {
        let answer = bootstrap(&service, json!({ "device_id": id })).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{id:?}");
        assert!(!answer.text().contains("DROP") && answer.text().len() < 600, "{}", answer.text());
    }
    for body in [
        r#"{"device_id":["device-0001"]}"#,
        r#"{"device_id":{"$ne":""}}"#,
        r#"{"device_id":null}"#,
        r#"{"device_id":"device-0001","device_id":"device-0002"}"#,
        r#"{"device_id":"device-0001","Device_Id":"device-0002"}"#,
    ] {
        let answer = post(&service.at("/bootstrap"), &[], body).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (400, "body_invalid"), "{body}");
    }
    // An escape is a spelling of JSON, not of the id.
    let escaped = post(&service.at("/bootstrap"), &[], r#"{"device_id":"\u0064evice-0001"}"#).await;
    assert_eq!(escaped.json()["device_id"], "device-0001");
    let megabyte = json!({ "device_id": "a".repeat(1 << 20) }).to_string();
    assert_eq!(post(&service.at("/bootstrap"), &[], megabyte).await.error_code(), "payload_too_large");
}

#[tokio::test]
async fn a17_one_address_gets_so_many_tokens_an_hour_whatever_it_claims_to_be() {
    let Some(address) = own_address() else { return };
    let service = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("HOST", address);
        flags.set("JWT_SECRET", "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe");
        flags.set("BOOTSTRAP_MODE", "open");
        flags.set("BOOTSTRAP_RATE_MAX", "5");
    });
    let (mut given, http) = (0, client());
    for number in 0..200 {
        let request = http
            .post(service.at("/bootstrap"))
            .header("x-forwarded-for", format!("203.0.113.{number}"))
            .header("forwarded", format!("for=203.0.113.{number}"))
            .header("x-real-ip", format!("203.0.113.{number}"))
            .header("true-client-ip", format!("203.0.113.{number}"))
            .json(&json!({ "device_id": format!("device-{number:04}") }));
        let answer = testkit::http::whole(request).await;
        match answer.status {
            200 => given += 1,
            _ => too_many(&answer, 3600),
        }
    }
    assert_eq!(given, 5);
    let page = metrics(&service).await;
    assert!(page.contains("valetkey_bootstrap_refusals_total{limit=\"network\"} 195\n"), "{page}");
    assert!(page.contains("valetkey_bootstrap_networks 1\n"), "{page}");
    assert!(page.contains("valetkey_refusals_total{code=\"rate_limited\"} 195\n"), "{page}");
    // Not even the body is read.
    let head = "POST /bootstrap HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\nexpect: 100-continue\r\n\r\n";
    assert_eq!(Wire::ask(&service.url, head).await.status(), 429);
}

#[tokio::test]
async fn a17_guesses_of_an_enrolment_token_count_for_their_address() {
    let Some(address) = own_address() else { return };
    let service = TestService::start_with("http://127.0.0.1:9", |flags| {
        enrolment(flags);
        flags.set("HOST", address);
        flags.set("JWT_SECRET", "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe");
        flags.set("BOOTSTRAP_RATE_MAX", "5");
    });
    for number in 0..5 {
        let guess = json!({ "device_id": "device-0001", "enrolment": format!("guess-of-an-enrolment-token-{number}") });
        assert_eq!(bootstrap(&service, guess).await.error_code(), "enrolment_invalid");
    }
    too_many(&bootstrap(&service, json!({ "device_id": "device-0001", "enrolment": ENROLMENT })).await, 3600);
}

#[tokio::test]
async fn a17_new_devices_of_all_addresses_have_one_budget_and_known_ones_need_none() {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("BOOTSTRAP_NEW_DEVICES_PER_HOUR", "10"));
    let old = service.token_for("device-0000").await;
    let mut given = 1;
    for number in 1..500 {
        let answer = bootstrap(&service, json!({ "device_id": format!("device-{number:04}") })).await;
        match answer.status {
            200 => given += 1,
            _ => too_many(&answer, 3600),
        }
    }
    assert_eq!(given, 10);
    assert_eq!(bootstrap(&service, json!({ "device_id": "device-0000" })).await.status, 200, "it was new once");
    let refreshed = post(&service.at("/refresh"), &[("authorization", &format!("Bearer {old}"))], "").await;
    assert_eq!(refreshed.status, 200);
    assert_eq!(service.messages(&old, BODY).await.status, 200);
    // One that was enrolled before this instance began is known by its token.
    let minted = service.admin("POST", "/admin/tokens", Some(json!({ "device_id": "device-9999" }))).await.json();
    let bearer = format!("Bearer {}", minted["token"].as_str().unwrap());
    assert_eq!(post(&service.at("/refresh"), &[("authorization", &bearer)], "").await.status, 200);
    assert_eq!(bootstrap(&service, json!({ "device_id": "device-9999" })).await.status, 200);
    let page = metrics(&service).await;
    assert!(page.contains("valetkey_bootstrap_refusals_total{limit=\"new_devices\"} 490\n"), "{page}");
}

#[tokio::test]
async fn a17_this_machine_itself_has_no_limit_by_address() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| flags.set("BOOTSTRAP_RATE_MAX", "1"));
    for number in 0..20 {
        assert_eq!(bootstrap(&service, json!({ "device_id": format!("device-{number:04}") })).await.status, 200);
    }
}

/// A refusal in the contract's shape that says when to come back.
fn too_many(answer: &Answer, at_least: u64) {
    assert_eq!((answer.status, answer.error_code().as_str()), (429, "rate_limited"), "{}", answer.text());
    assert_eq!(answer.json()["error"]["type"], "rate_limit_error");
    assert_eq!((answer.header("x-should-retry"), answer.header("cache-control")), (Some("true"), Some("no-store")));
    let seconds: u64 = answer.header("retry-after").expect("when to try again").parse().unwrap();
    assert!((at_least - 60..=at_least + 60).contains(&seconds), "{seconds}");
    assert!(!answer.text().contains("\"token\":"), "{}", answer.text());
}

/// What somebody sees who compares answers: all but what names the request.
fn shape(answer: &Answer) -> String {
    let body = match answer.status {
        200 => {
            let body = answer.json();
            let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
            format!("{keys:?} in {} bytes", answer.body.len())
        }
        _ => answer.text().replace(answer.header("request-id").unwrap(), "ID"),
    };
    let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
    format!("{} {names:?} {body}", answer.status)
}

fn enrolment(flags: &mut valetkey::service::config::Flags) {
    flags.set("BOOTSTRAP_MODE", "enrolment");
    flags.set("ENROLMENT_TOKENS", ENROLMENT);
}

/// A token for a device that may enrol.
async fn enrolled(service: &TestService, device: &str) -> String {
    let answer = bootstrap(service, json!({ "device_id": device, "enrolment": ENROLMENT })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    format!("sk-ant-proxy-{}", answer.json()["token"].as_str().unwrap())
}

async fn bootstrap(service: &TestService, body: Value) -> Answer {
    post(&service.at("/bootstrap"), &[], body.to_string()).await
}

/// An address of this machine that is not loopback. `None`, said aloud, where there is no network. Nothing is sent.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    let routed = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    let address = routed.ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    if address.is_none() {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "SKIPPED: this machine has no address but loopback");
    }
    address.map(|address| address.to_string())
}

const ENROLMENT: &str = "first-token-of-a-fleet";
const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
