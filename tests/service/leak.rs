//! A device that is used in two places at once. This machine is the trusted proxy that says where requests come from.

use std::time::Duration;

use serde_json::{Value, json};
use valetkey::service::config::Flags;

use testkit::http::{Answer, post};
use testkit::service::{TestService, metrics};
use testkit::stores::redis::Redis;
use testkit::upstream::Upstream;

#[tokio::test]
async fn a_token_in_use_in_two_places_is_noticed_and_still_served() {
    let (_upstream, service) = watched(|_| {});
    let token = service.token().await;
    take_turns(&service, &token).await;
    assert_eq!(suspicions(&service, "observed").await, 1);
    assert_eq!(ask(&service, &token, CAFE).await.status, 200);
    assert_eq!(suspicions(&service, "observed").await, 1, "it is told of once");
}

#[tokio::test]
async fn two_tokens_of_one_device_are_one_device() {
    let (_upstream, service) = watched(|_| {});
    let tokens = [service.token().await, service.token().await];
    for number in 0..TURNS {
        service.clock.advance(PAUSE);
        assert_eq!(ask(&service, &tokens[number % 2], [HOME, CAFE][number % 2]).await.status, 200);
    }
    assert_eq!(suspicions(&service, "observed").await, 1);
}

#[tokio::test]
async fn a_device_that_moves_is_left_alone() {
    let (_upstream, service) = watched(|flags| flags.set("LEAK_DETECTION", "revoke"));
    let token = service.token().await;
    for place in [HOME, CAFE, HOME, "2001:db8:7::1, 127.0.0.9", CAFE] {
        for _ in 0..8 {
            service.clock.advance(PAUSE);
            assert_eq!(ask(&service, &token, place).await.status, 200, "{place}");
        }
    }
    for action in ["observed", "refreshed", "revoked", "withheld", "failed"] {
        assert_eq!(suspicions(&service, action).await, 0, "{action}");
    }
}

#[tokio::test]
async fn a29_what_nobody_vouches_for_and_what_is_known_is_not_looked_at() {
    let settings: [fn(&mut Flags); 3] = [
        |flags| flags.set("TRUSTED_PROXIES", "10.0.0.0/8"),
        |flags| flags.set("LEAK_KNOWN_NETWORKS", "198.51.100.0/24"),
        |flags| flags.set("LEAK_DETECTION", "off"),
    ];
    for (number, adjust) in settings.into_iter().enumerate() {
        let (_upstream, service) = watched(adjust);
        let token = service.token().await;
        take_turns(&service, &token).await;
        take_turns(&service, &token).await;
        assert_eq!(suspicions(&service, "observed").await, 0, "{number}");
    }
}

#[tokio::test]
async fn made_to_refresh_a_device_goes_on_and_a_copied_token_does_not() {
    let (_upstream, service) = watched(|flags| flags.set("LEAK_DETECTION", "refresh"));
    let token = service.token().await;
    take_turns(&service, &token).await;
    service.until(async || ask(&service, &token, HOME).await.status == 401).await;
    for place in [HOME, CAFE] {
        let refused = ask(&service, &token, place).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (401, "token_outdated"));
        assert_eq!(refused.header("x-valetkey-error"), Some("token_outdated"), "the client asks for a new one");
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", place)];
        assert_eq!(post(&service.at("/refresh"), &headers, "").await.error_code(), "token_outdated", "{place}");
    }
    let next = service.token().await;
    for _ in 0..5 {
        service.clock.advance(PAUSE);
        assert_eq!(ask(&service, &next, HOME).await.status, 200);
        assert_eq!(ask(&service, &token, CAFE).await.status, 401, "and is no evidence any more");
    }
    service.until(async || suspicions(&service, "refreshed").await == 1).await;
    let entry = audit_entry(&service, "device.end_tokens").await;
    assert_eq!((&entry["target"], &entry["outcome"]), (&json!("device-0001"), &json!("done")));
    assert_eq!(entry["detail"]["networks"].as_array().unwrap().len(), 2, "{entry}");
    assert!(!entry.to_string().contains("203.0.113.7"), "no whole address: {entry}");
    let listed = service.admin("GET", "/admin/revocations", None).await.json();
    let (kind, by) = (&listed["items"][0]["kind"], &listed["items"][0]["created_by"]);
    assert_eq!((kind, by), (&json!("device_tokens"), &json!("leak-detection")));
    let path = format!("/admin/revocations/{}", listed["items"][0]["id"].as_str().unwrap());
    assert_eq!(service.admin("DELETE", &path, None).await.status, 204);
    assert_eq!(ask(&service, &token, HOME).await.status, 200, "an administrator can take it back");
}

#[tokio::test]
async fn what_a_refresh_does_not_stop_is_revoked() {
    let (_upstream, service) = watched(|flags| flags.set("LEAK_DETECTION", "revoke"));
    let token = service.token().await;
    take_turns(&service, &token).await;
    service.until(async || ask(&service, &token, HOME).await.status == 401).await;
    assert_eq!(ask(&service, &token, HOME).await.error_code(), "token_outdated", "first a refresh has to do");
    // Whoever can enrol comes back.
    service.clock.advance(Duration::from_secs(601));
    let next = service.token().await;
    take_turns(&service, &next).await;
    service.until(async || ask(&service, &next, HOME).await.status == 401).await;
    assert_eq!(ask(&service, &next, HOME).await.error_code(), "token_revoked");
    let body = r#"{"device_id":"device-0001"}"#;
    assert_eq!(post(&service.at("/bootstrap"), &[], body).await.error_code(), "token_revoked");
    service.until(async || suspicions(&service, "revoked").await == 1).await;
    assert_eq!(audit_entry(&service, "device.revoke").await["target"], "device-0001");
    assert_eq!(suspicions(&service, "refreshed").await, 1);
}

#[tokio::test]
async fn where_nobody_can_enrol_a_suspicion_revokes() {
    let open = TestService::start("http://127.0.0.1:9");
    let token = open.token().await;
    let (_upstream, service) = watched(|flags| {
        flags.set("LEAK_DETECTION", "revoke");
        flags.set("BOOTSTRAP_MODE", "closed");
    });
    take_turns(&service, &token).await;
    service.until(async || ask(&service, &token, HOME).await.status == 401).await;
    assert_eq!(ask(&service, &token, HOME).await.error_code(), "token_revoked");
}

#[tokio::test]
async fn instances_with_one_redis_see_what_each_of_them_sees() {
    let Some(redis) = Redis::start() else { return };
    let upstream = Upstream::start();
    let start = || {
        TestService::before_with(&upstream, |flags| {
            flags.set("TRUSTED_PROXIES", "127.0.0.0/8");
            flags.set("REDIS_URL", redis.url().expose().to_owned());
        })
    };
    let instances = [start(), start()];
    let token = instances[0].token().await;
    for number in 0..2 * TURNS {
        for instance in &instances {
            instance.clock.advance(PAUSE);
        }
        let instance = &instances[number % 2];
        assert_eq!(ask(instance, &token, [HOME, CAFE][number % 2]).await.status, 200);
        instance.until(async || told(&redis) == number + 1).await;
        if suspicions(&instances[0], "observed").await + suspicions(&instances[1], "observed").await > 0 {
            return;
        }
    }
    panic!("each instance saw one place only");
}

#[tokio::test]
async fn f29_without_redis_an_instance_goes_by_what_it_sees_itself() {
    let Some(redis) = Redis::reserve(&[]) else { return };
    let (_upstream, service) = watched(|flags| flags.set("REDIS_URL", redis.url().expose().to_owned()));
    let token = service.token().await;
    take_turns(&service, &token).await;
    assert_eq!(suspicions(&service, "observed").await, 1);
}

/// As many requests as it takes, from two places in turn. The last one raises the suspicion, and on a busy machine the end
/// of the device's tokens reaches that request before its answer does.
async fn take_turns(service: &TestService, token: &str) {
    for number in 0..TURNS {
        service.clock.advance(PAUSE);
        let status = ask(service, token, [HOME, CAFE][number % 2]).await.status;
        assert!(status == 200 || (status == 401 && number == TURNS - 1), "turn {number}: {status}");
    }
}

/// `POST /v1/messages` from a place.
async fn ask(service: &TestService, token: &str, from: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", from)];
    post(&service.at("/v1/messages"), &headers, BODY).await
}

/// How many suspicions came to this.
async fn suspicions(service: &TestService, action: &str) -> u64 {
    let page = metrics(service).await;
    let name = format!("valetkey_leak_suspicions_total{{action=\"{action}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(name.as_str()));
    line.unwrap_or_else(|| panic!("it is counted: {page}")).parse().unwrap()
}

/// What the audit trail says that leak detection did.
async fn audit_entry(service: &TestService, action: &str) -> Value {
    let listed = service.admin("GET", "/admin/audit", None).await.json();
    let entries = listed["items"].as_array().unwrap();
    let by_it = |entry: &&Value| entry["actor"] == "leak-detection" && entry["action"] == action;
    entries.iter().find(by_it).unwrap_or_else(|| panic!("it is on record: {listed}")).clone()
}

/// How many notes instances have left for each other about the one device.
fn told(redis: &Redis) -> usize {
    let keys = redis.command::<Vec<String>>(&["KEYS", "valetkey:*:notes"]).unwrap();
    keys.first().map_or(0, |key| redis.command(&["XLEN", key]).unwrap())
}

fn watched(adjust: impl FnOnce(&mut Flags)) -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| {
        flags.set("TRUSTED_PROXIES", "127.0.0.0/8");
        adjust(flags);
    });
    (upstream, service)
}

const HOME: &str = "203.0.113.7";
const CAFE: &str = "192.0.2.1, 198.51.100.7";
const PAUSE: Duration = Duration::from_secs(6);

/// With this pause, half a minute after the second place came in.
const TURNS: usize = 7;

const BODY: &str = r#"{"model":"claude-sonnet-5-5","stream":true,"messages":[]}"#;
