use std::num::NonZeroU64;

use tokio::time::{Instant, advance};

use std::time::Duration;

use super::*;

fn device(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

fn limits(requests: u32, tokens: u64, concurrent: u32) -> DeviceLimits {
    DeviceLimits {
        requests: NonZeroU32::new(requests),
        window: Duration::from_secs(64),
        tokens_per_minute: NonZeroU64::new(tokens),
        concurrent: NonZeroU32::new(concurrent),
        tells_requests: false,
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_request_is_admitted_when_retry_after_says_and_not_before() {
    let (limiter, id, limits) = (Limiter::local(), device("device-1"), limits(3, 0, 0));
    for _ in 0..3 {
        let _ = limiter.admit(&id, &limits, true).await.unwrap();
        advance(Duration::from_secs(7)).await;
    }
    let denied = limiter.admit(&id, &limits, true).await.err().unwrap();
    assert_eq!(denied.limit, Limit::Requests);
    let late = denied.retry_after.checked_sub(Duration::from_secs(64 - 21)).expect("not before the first has left");
    assert!(late <= Duration::from_secs(1), "a 64th of the window at most, not {late:?}");
    let moment = Duration::from_nanos(1);
    advance(denied.retry_after.saturating_sub(moment)).await;
    assert!(limiter.admit(&id, &limits, true).await.is_err());
    advance(moment).await;
    let _ = limiter.admit(&id, &limits, true).await.unwrap();
    assert!(limiter.admit(&id, &limits, true).await.is_err(), "one has left, not more");
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_known_at_each_admission_if_clients_are_told_of_it() {
    let (limiter, id) = (Limiter::local(), device("device-1"));
    let told = DeviceLimits { tells_requests: true, ..limits(3, 1000, 0) };
    let left = async |limits: &DeviceLimits| {
        let permit = limiter.admit(&id, limits, true).await.unwrap();
        permit.charge_tokens(400);
        let Allowance { requests, tokens } = permit.allowance()?;
        Some((requests.map(|left| left.remaining), tokens.map(|left| left.remaining)))
    };
    assert_eq!(left(&told).await, Some((Some(2), Some(1000))));
    assert_eq!(left(&told).await, Some((Some(1), Some(600))));
    advance(Duration::from_secs(80)).await;
    assert_eq!(left(&told).await, Some((Some(2), Some(1000))), "all was there again");
    assert_eq!(left(&limits(3, 1000, 0)).await, Some((None, Some(600))), "a default limit of requests");
    assert_eq!(left(&limits(9, 0, 0)).await, None);
    let free = limiter.admit(&id, &DeviceLimits { concurrent: NonZeroU32::new(5), ..told }, false).await.unwrap();
    assert_eq!(free.allowance(), None, "what costs nothing");
}

#[tokio::test(start_paused = true)]
async fn a45_the_edge_of_a_window_admits_no_second_burst() {
    let (limiter, id, limits) = (Limiter::local(), device("device-1"), limits(100, 0, 0));
    let mut admitted: Vec<Instant> = Vec::new();
    for _ in 0..4000 {
        while let Ok(_permit) = limiter.admit(&id, &limits, true).await {
            admitted.push(Instant::now());
        }
        advance(Duration::from_millis(97)).await;
    }
    assert!(admitted.len() >= 500, "{} in six windows", admitted.len());
    for pair in admitted.windows(101) {
        assert!(pair[100] - pair[0] >= Duration::from_secs(64));
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_the_last_minute_deny_until_enough_has_fallen_out() {
    let (limiter, id, limits) = (Limiter::local(), device("device-1"), limits(0, 1000, 0));
    limiter.admit(&id, &limits, true).await.unwrap().charge_tokens(600);
    advance(Duration::from_secs(30)).await;
    limiter.admit(&id, &limits, true).await.unwrap().charge_tokens(700);
    let denied = limiter.admit(&id, &limits, true).await.err().unwrap();
    assert_eq!(denied.limit, Limit::TokensPerMinute);
    assert!(denied.retry_after >= Duration::from_secs(30) && denied.retry_after < Duration::from_secs(31));
    let _ = limiter.admit(&id, &limits, false).await.expect("what costs nothing goes on");
    advance(denied.retry_after).await;
    let _ = limiter.admit(&id, &limits, true).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_limit_that_takes_longer_is_named() {
    let (limiter, id, limits) = (Limiter::local(), device("device-1"), limits(1, 0, 1));
    let permit = limiter.admit(&id, &limits, true).await.unwrap();
    assert_eq!(limiter.admit(&id, &limits, true).await.err().unwrap().limit, Limit::Requests);
    assert_eq!(limiter.admit(&id, &limits, false).await.err().unwrap().limit, Limit::Concurrent);
    drop(permit);
    let _ = limiter.admit(&id, &limits, false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn idle_devices_are_forgotten_and_others_are_kept() {
    let (limiter, limits) = (Limiter::local(), limits(1, 10, 2));
    let kept = limiter.admit(&device("kept-open"), &limits, false).await.unwrap();
    for round in 0..3 {
        for number in 0..20_000 {
            let _ = limiter.admit(&device(&format!("device-{round}-{number}")), &limits, true).await.unwrap();
        }
        advance(Duration::from_secs(66)).await;
    }
    let remembered = limiter.state().devices;
    assert!(remembered <= 45_000, "{remembered} of 60001");
    drop(kept);
    assert!(limiter.admit(&device("device-9-9"), &limits, true).await.is_ok());
    assert!(limiter.admit(&device("device-9-9"), &limits, true).await.is_err(), "the latest are known");
}

#[tokio::test]
async fn a48_of_ten_thousand_requests_at_once_exactly_the_limit_is_open() {
    let (limiter, id, limits) = (Limiter::local(), device("device-1"), limits(0, 0, 8));
    let mut open = Vec::new();
    for _ in 0..10_000 {
        open.extend(limiter.admit(&id, &limits, true).await.ok());
    }
    assert_eq!(open.len(), 8);
    open.pop();
    let _ = limiter.admit(&id, &limits, true).await.unwrap();
    let counters = limiter.state().counters;
    assert_eq!((counters.admitted, counters.denied_concurrent), (9, 9992));
}

#[tokio::test]
async fn without_limits_nothing_is_remembered() {
    let (limiter, limits) = (Limiter::local(), limits(0, 0, 0));
    let permit = limiter.admit(&device("device-1"), &limits, true).await.unwrap();
    permit.charge_tokens(u64::MAX);
    assert_eq!(limiter.state().devices, 0);
}

#[tokio::test]
async fn a_url_that_cannot_be_one_is_refused_without_showing_it() {
    let url = Secret::new("redis://:canary@host:notaport");
    let error = Limiter::with_redis(&url, InstanceSettings::default()).await.err().unwrap();
    assert!(!format!("{error} {error:?}").contains("canary"));
}
