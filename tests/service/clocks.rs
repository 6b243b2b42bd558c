//! F40: the server's wall clock leaps. Tokens live by it; limits, timers and revocations do not.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use valetkey::clock::Clock;

use testkit::http::post;
use testkit::service::TestService;
use testkit::upstream::Upstream;

#[tokio::test]
async fn f40_limits_do_not_follow_the_wall_clock() {
    let (_upstream, service) = limited();
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    service.clock.advance(LEAP);
    assert_eq!(service.messages(&token, BODY).await.error_code(), "rate_limited", "ahead");
    service.clock.set_back(LEAP);
    assert_eq!(service.messages(&token, BODY).await.error_code(), "rate_limited", "and back");
    let other = service.token_for("device-0002").await;
    service.clock.set_back(LEAP);
    // By this clock its token is from the future; a new one is not, and shuts nobody out for two hours.
    assert_eq!(service.messages(&other, BODY).await.error_code(), "token_invalid");
    assert_eq!(service.messages(&service.token_for("device-0002").await, BODY).await.status, 200);
}

#[tokio::test]
async fn f40_a_clock_that_is_set_back_lengthens_no_life_and_one_ahead_ends_no_young_one() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let token = service.token().await;
    service.clock.set_back(LEAP);
    assert_eq!(service.messages(&token, BODY).await.error_code(), "token_invalid", "it is not yet");
    service.clock.advance(LEAP);
    assert_eq!(service.messages(&token, BODY).await.status, 200, "the clock is right again");
    service.clock.advance(LEAP);
    assert_eq!(service.messages(&token, BODY).await.status, 200, "it lives for a day");
    // Written two hours late, it still dies a day after it says it was made.
    let late = service.token().await;
    service.clock.set_back(LEAP);
    service.clock.advance(LEAP + DAY - Duration::from_secs(1));
    assert_eq!(service.messages(&late, BODY).await.status, 200);
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(service.messages(&late, BODY).await.error_code(), "token_expired");
}

#[tokio::test]
async fn f40_devices_are_told_durations_so_a_leap_starts_no_storm_of_refreshes() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let mut told = Vec::new();
    for leap in [0, 1, 2] {
        match leap {
            1 => service.clock.advance(LEAP),
            2 => service.clock.set_back(LEAP * 2),
            _ => {}
        }
        let bootstrapped = post(&service.at("/bootstrap"), &[], r#"{"device_id":"device-0001"}"#).await.json();
        let bearer = format!("Bearer {}", bootstrapped["token"].as_str().unwrap());
        let refreshed = post(&service.at("/refresh"), &[("authorization", &bearer)], "").await.json();
        for answer in [bootstrapped, refreshed] {
            told.push((answer["expires_in"].clone(), answer["refresh_in"].clone()));
        }
    }
    let day = DAY.as_secs();
    assert!(told.iter().all(|times| *times == (Value::from(day), Value::from(day - 3600))), "{told:?}");
}

#[tokio::test]
async fn f40_a_revocation_holds_and_the_service_serves_whatever_the_clock_does() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let (revoked, spared) = (service.token().await, service.token_for("device-0002").await);
    let revocation = json!({ "device_id": "device-0001" });
    assert_eq!(service.admin("POST", "/admin/revocations", Some(revocation)).await.status, 201);
    for back in [false, true] {
        if back {
            service.clock.set_back(LEAP)
        } else {
            service.clock.advance(LEAP)
        }
        assert_eq!(service.messages(&revoked, BODY).await.error_code(), "token_revoked");
        // How old the revocations are is not asked of the wall clock: a leap of hours is no staleness.
        assert_eq!(service.messages(&spared, BODY).await.status, 200);
        assert_eq!(testkit::http::get(&service.at("/readyz"), &[]).await.status, 200);
    }
}

#[tokio::test]
async fn f40_a_device_that_was_seen_while_the_clock_was_ahead_is_seen_at_the_right_time_again() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let last_seen = async || {
        let shown = service.admin("GET", "/admin/devices/device-0001", None).await.json();
        shown["last_seen"].as_u64().unwrap_or_default()
    };
    let now = millis(&service);
    service.clock.advance(LEAP);
    let ahead = service.token().await;
    assert_eq!(service.messages(&ahead, BODY).await.status, 200);
    service.until(async || last_seen().await > now).await;
    service.clock.set_back(LEAP);
    let token = service.token().await;
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    service.until(async || last_seen().await == now).await;
}

fn millis(service: &TestService) -> u64 {
    let since = service.clock.now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn limited() -> (Upstream, TestService) {
    let upstream = Upstream::start();
    let service = TestService::before_with(&upstream, |flags| flags.set("RATE_LIMIT_MAX", "1"));
    (upstream, service)
}

const LEAP: Duration = Duration::from_secs(2 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
