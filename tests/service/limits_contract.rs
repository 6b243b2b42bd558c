//! What a limiter promises, whether this process decides or Redis does.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use valetkey::service::govern::limits::DeviceLimits;
use valetkey::service::govern::limits::{Allowance, Limit, Limiter, Remainder};
use valetkey::wire::DeviceId;

use testkit::service::limiter::{admitted, concurrent, device, healthy, limits, tokens};
use testkit::stores::redis::Redis;

/// Runs `test` with a limiter in memory and with one in Redis.
async fn on_both(test: impl AsyncFn(Limiter)) {
    test(Limiter::local()).await;
    if let Some(redis) = Redis::start() {
        test(healthy(&redis).await).await;
    }
}

#[tokio::test]
async fn a_burst_up_to_the_limit_is_admitted_and_the_rest_waits_for_the_window() {
    on_both(async |limiter| {
        assert_eq!(admitted(&limiter, &device("device-1"), &limits(20, 60_000), 30).await, 20);
        let denied = limiter.admit(&device("device-1"), &limits(20, 60_000), true).await.err().unwrap();
        assert_eq!(denied.limit, Limit::Requests);
        assert!((50..=61).contains(&denied.retry_after.as_secs()), "{denied:?}");
    })
    .await;
}

#[tokio::test]
async fn what_was_denied_costs_nothing_and_room_is_there_when_it_was_promised() {
    on_both(async |limiter| {
        let (id, limits) = (device("device-1"), limits(5, 640));
        assert_eq!(admitted(&limiter, &id, &limits, 50).await, 5);
        let denied = limiter.admit(&id, &limits, true).await.err().unwrap();
        // A local decision's instant and Redis's differ by the way between them.
        tokio::time::sleep(denied.retry_after + Duration::from_millis(30)).await;
        let again = admitted(&limiter, &id, &limits, 50).await;
        assert!((1..=5).contains(&again), "{again}");
    })
    .await;
}

#[tokio::test]
async fn a45_no_window_has_two_bursts_wherever_it_begins() {
    on_both(async |limiter| {
        let (id, limits) = (device("device-1"), limits(10, 320));
        let mut times = Vec::new();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1600) {
            let before = Instant::now();
            if limiter.admit(&id, &limits, true).await.is_ok() {
                times.push((before, Instant::now()));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(times.len() >= 30, "{} in five windows", times.len());
        for eleven in times.windows(11) {
            let span = eleven[10].1 - eleven[0].0;
            assert!(span >= Duration::from_millis(320), "eleven in {span:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a48_open_requests_are_counted_until_they_end_in_whatever_way() {
    on_both(async |limiter| {
        let (id, limits) = (device("device-1"), concurrent(2));
        let first = limiter.admit(&id, &limits, true).await.unwrap();
        let second = limiter.admit(&id, &limits, false).await.unwrap();
        assert_eq!(limiter.admit(&id, &limits, true).await.err().unwrap().limit, Limit::Concurrent);
        let cancelled = tokio::spawn(async move {
            let _second = second;
            std::future::pending::<()>().await;
        });
        drop(first);
        let first = comes_free(&limiter, &id, &limits).await;
        cancelled.abort();
        let _second = comes_free(&limiter, &id, &limits).await;
        assert!(limiter.admit(&id, &limits, true).await.is_err());
        drop(first);
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_back_counts_as_if_it_had_never_been() {
    on_both(async |limiter| {
        let (id, limits) = (device("device-1"), limits(3, 60_000));
        let _first = limiter.admit(&id, &limits, true).await.unwrap();
        for _ in 0..20 {
            comes_free(&limiter, &id, &limits).await.take_back();
        }
        let _second = comes_free(&limiter, &id, &limits).await;
        let _third = comes_free(&limiter, &id, &limits).await;
        assert_eq!(limiter.admit(&id, &limits, true).await.err().unwrap().limit, Limit::Requests);
        let open = concurrent(1);
        comes_free(&limiter, &device("device-2"), &open).await.take_back();
        let _only = comes_free(&limiter, &device("device-2"), &open).await;
        assert!(limiter.admit(&device("device-2"), &open, true).await.is_err());
    })
    .await;
}

/// A place that is given back in the background.
async fn comes_free(
    limiter: &Limiter,
    id: &DeviceId,
    limits: &DeviceLimits,
) -> valetkey::service::govern::limits::Permit {
    let limit = Instant::now() + Duration::from_secs(5);
    loop {
        match limiter.admit(id, limits, true).await {
            Ok(permit) => return permit,
            Err(denied) => assert!(Instant::now() < limit, "{denied:?}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_admission_that_nobody_waits_for_any_more_holds_no_place() {
    on_both(async |limiter| {
        let (id, limits) = (device("device-1"), concurrent(1));
        for _ in 0..50 {
            let admission = limiter.admit(&id, &limits, true);
            let _ = tokio::time::timeout(Duration::ZERO, admission).await;
        }
        let _permit = comes_free(&limiter, &id, &limits).await;
    })
    .await;
}

#[tokio::test]
async fn tokens_are_charged_afterwards_and_count_for_a_minute() {
    on_both(async |limiter| {
        let (id, limits) = (device("device-1"), tokens(1000));
        let permit = limiter.admit(&id, &limits, true).await.unwrap();
        permit.charge_tokens(999);
        let _ = limiter.admit(&id, &limits, true).await.unwrap();
        permit.charge_tokens(1);
        let denied = limiter.admit(&id, &limits, true).await.err().unwrap();
        assert_eq!(denied.limit, Limit::TokensPerMinute);
        assert!((50..=61).contains(&denied.retry_after.as_secs()), "{denied:?}");
        let _ = limiter.admit(&id, &limits, false).await.expect("what costs nothing goes on");
    })
    .await;
}

#[tokio::test]
async fn what_is_left_is_known_at_each_admission_of_the_limits_that_an_operator_has_set() {
    on_both(async |limiter| {
        let (id, minute) = (device("device-1"), Duration::from_secs(60));
        let both = DeviceLimits { tokens_per_minute: tokens(1000).tokens_per_minute, ..limits(3, 60_000) };
        let only_tokens = DeviceLimits { tells_requests: false, ..both };
        let left = |limit, remaining, full_in| Some(Remainder { limit, remaining, full_in });
        for (limits, requests, tokens) in [
            (both, left(3, 2, minute), left(1000, 1000, Duration::ZERO)),
            (both, left(3, 1, minute), left(1000, 600, minute)),
            (only_tokens, None, left(1000, 200, minute)),
        ] {
            let permit = limiter.admit(&id, &limits, true).await.unwrap();
            permit.charge_tokens(400);
            assert_eq!(permit.allowance(), Some(Allowance { requests, tokens }));
        }
        let by_default = DeviceLimits { tells_requests: false, ..limits(9, 60_000) };
        assert_eq!(limiter.admit(&id, &by_default, true).await.unwrap().allowance(), None);
        let free = DeviceLimits { concurrent: NonZeroU32::new(9), ..both };
        assert_eq!(limiter.admit(&id, &free, false).await.unwrap().allowance(), None, "what costs nothing");
    })
    .await;
}

#[tokio::test]
async fn a46_what_one_device_does_is_nothing_to_another() {
    on_both(async |limiter| {
        let limits = DeviceLimits { concurrent: NonZeroU32::new(50), ..limits(5, 60_000) };
        assert_eq!(admitted(&limiter, &device("device-1"), &limits, 50).await, 5);
        assert_eq!(admitted(&limiter, &device("device-2"), &limits, 50).await, 5);
    })
    .await;
}

#[tokio::test]
async fn limits_may_change_at_any_time_and_what_happened_still_counts() {
    on_both(async |limiter| {
        let id = device("device-1");
        assert_eq!(admitted(&limiter, &id, &limits(5, 60_000), 10).await, 5);
        assert_eq!(admitted(&limiter, &id, &limits(8, 60_000), 10).await, 3);
        assert_eq!(admitted(&limiter, &id, &limits(10, 30_000), 10).await, 2);
        assert_eq!(admitted(&limiter, &id, &limits(3, 30_000), 10).await, 0);
    })
    .await;
}
