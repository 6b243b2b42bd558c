//! Limits that instances share through Redis.

use std::time::Duration;

use valetkey::service::govern::limits::{Allowance, DeviceLimits, InstanceSettings, Limit, Limiter, Store};
use valetkey::wire::DeviceId;

use testkit::service::limiter::{
    admitted, concurrent, device, healthy, healthy_of, limits, patient, tokens, until, until_answered,
};
use testkit::stores::redis::Redis;

#[tokio::test]
async fn a45_instances_together_admit_no_more_than_one_would() {
    let Some(redis) = Redis::start() else { return };
    let (id, limits) = (device("device-1"), limits(100, 60_000));
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let limiter = healthy(&redis).await;
        for _ in 0..10 {
            let (limiter, id) = (limiter.clone(), id.clone());
            tasks.push(tokio::spawn(async move { admitted(&limiter, &id, &limits, 20).await }));
        }
    }
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!(sum, 100);
}

#[tokio::test]
async fn tokens_and_open_requests_of_one_instance_count_at_another() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = (healthy(&redis).await, healthy(&redis).await);
    let (id, limit) = (device("device-1"), tokens(1000));
    one.admit(&id, &limit, true).await.unwrap().charge_tokens(1000);
    let limit_is_reached = async || other.admit(&id, &limit, true).await.err().map(|denied| denied.limit);
    until_answered("the tokens count", async || limit_is_reached().await == Some(Limit::TokensPerMinute)).await;
    let id = device("device-2");
    let permit = one.admit(&id, &concurrent(1), true).await.unwrap();
    assert_eq!(other.admit(&id, &concurrent(1), true).await.err().unwrap().limit, Limit::Concurrent);
    drop(permit);
    until_answered("the request has ended", async || other.admit(&id, &concurrent(1), true).await.is_ok()).await;
}

#[tokio::test]
async fn what_is_left_counts_down_over_all_instances() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = (healthy(&redis).await, healthy(&redis).await);
    let (id, limit) = (device("device-1"), limits(5, 60_000));
    for (limiter, remaining) in [(&one, 4), (&other, 3), (&one, 2), (&other, 1)] {
        assert_eq!(requests_left(limiter, &id, &limit).await, remaining);
    }
    redis.run_command(&["FLUSHALL"]);
    assert_eq!(requests_left(&one, &id, &limit).await, 2, "what it has admitted itself still counts");
    let (id, limit) = (device("device-2"), tokens(1000));
    one.admit(&id, &limit, true).await.unwrap().charge_tokens(400);
    let tokens_left = async || left(&other, &id, &limit).await.tokens.unwrap().remaining;
    until_answered("the tokens are charged", async || tokens_left().await == 600).await;
}

#[tokio::test]
async fn instances_of_the_earlier_version_count_together_with_this_one() {
    let Some(redis) = Redis::start() else { return };
    let start_earlier = || redis.run_command(&["FUNCTION", "LOAD", "REPLACE", EARLIER]);
    start_earlier();
    let (limiter, id, limits) = (healthy(&redis).await, device("device-1"), limits(4, 60_000));
    assert_eq!(requests_left(&limiter, &id, &limits).await, 3);
    let key = redis.command::<Vec<String>>(&["KEYS", "valetkey:*:requests"]).unwrap().remove(0);
    let ask_earlier = || {
        let call = ["FCALL", "valetkey_admit_2", "3", &key, "tokens", "leases", "4", "60000000", "0", "60000000"];
        let answer = redis.command::<(u8, u64, u64)>(&[&call[..], &["0", "1000000", "", "60000"]].concat());
        answer.expect("the earlier version reads three numbers").0
    };
    assert_eq!(ask_earlier(), 0, "admitted");
    assert_eq!(requests_left(&limiter, &id, &limits).await, 1);
    start_earlier();
    assert_eq!(requests_left(&limiter, &id, &limits).await, 0);
    assert_eq!(ask_earlier(), 1, "the limit of requests denies");
    let beat = ["FCALL", "valetkey_beat_2", "1", "valetkey:instances", "earlier", "8000"];
    assert_eq!(redis.command::<u32>(&beat).unwrap(), 2, "they know of each other");
    assert_eq!(limiter.state().by_fallback, 0, "Redis has decided");
}

#[tokio::test]
async fn an_open_request_counts_as_long_as_its_instance_lives_and_no_longer() {
    let Some(redis) = Redis::start() else { return };
    let settings = InstanceSettings { lease: Duration::from_millis(300), ..patient() };
    let one = Limiter::with_redis(&redis.url(), settings).await.unwrap();
    let other = healthy(&redis).await;
    let (id, limits) = (device("device-1"), concurrent(1));
    std::mem::forget(one.admit(&id, &limits, true).await.unwrap());
    // More than three of its lives: only a renewal can have kept it.
    for _ in 0..100 {
        assert!(other.admit(&id, &limits, true).await.is_err());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(one);
    let limit = tokio::time::Instant::now() + Duration::from_secs(5);
    while other.admit(&id, &limits, true).await.is_err() {
        assert!(tokio::time::Instant::now() < limit);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_is_kept_names_no_device_and_expires() {
    let Some(redis) = Redis::start() else { return };
    let limiter = healthy(&redis).await;
    let mut limits = limits(5, 60_000);
    (limits.concurrent, limits.tokens_per_minute) = (concurrent(3).concurrent, tokens(9).tokens_per_minute);
    let permit = limiter.admit(&device("device-canary"), &limits, true).await.unwrap();
    permit.charge_tokens(3);
    let keys = || redis.command::<Vec<String>>(&["KEYS", "*"]).unwrap();
    until("tokens are charged", || keys().len() == 4).await;
    for key in keys() {
        assert!(key.starts_with("valetkey:") && !key.contains("canary"), "{key}");
        let life = redis.command::<i64>(&["PTTL", &key]).unwrap();
        assert!((1..=63_000).contains(&life), "{key} lives for {life} ms");
    }
}

#[tokio::test]
async fn f67_deployments_that_share_a_redis_share_no_limit_and_know_only_their_own_instances() {
    let Some(redis) = Redis::start() else { return };
    let (usual, named) = (healthy(&redis).await, healthy_of("team-a", &redis).await);
    let (id, limits) = (device("device-1"), limits(5, 60_000));
    for limiter in [&usual, &named] {
        assert_eq!(admitted(limiter, &id, &limits, 10).await, 5);
    }
    let again = healthy_of("team-a", &redis).await;
    assert_eq!(admitted(&again, &id, &limits, 10).await, 0, "instances of one deployment count together");
    assert!(matches!(again.state().store, Store::Redis { instances } if instances.get() == 2), "{:?}", again.state());
}

#[tokio::test]
async fn instances_know_of_each_other_and_leave_when_they_end() {
    let Some(redis) = Redis::start() else { return };
    let settings = InstanceSettings { heartbeat: Duration::from_millis(20), ..patient() };
    let one = Limiter::with_redis(&redis.url(), settings.clone()).await.unwrap();
    let other = Limiter::with_redis(&redis.url(), settings).await.unwrap();
    let sees = |count: u32| move |limiter: &Limiter| matches!(limiter.state().store, Store::Redis { instances } if instances.get() == count);
    until("there are two", || sees(2)(&one) && sees(2)(&other)).await;
    drop(other);
    until("there is one", || sees(1)(&one)).await;
}

#[tokio::test(flavor = "current_thread")]
async fn f36_an_instance_whose_clock_is_ahead_admits_no_more() {
    let Some(redis) = Redis::start() else { return };
    let (one, ahead) = (healthy(&redis).await, healthy(&redis).await);
    let (id, limits) = (device("device-1"), limits(10, 20_000));
    assert_eq!(admitted(&one, &id, &limits, 5).await, 5);
    assert_eq!(admitted(&ahead, &id, &limits, 5).await, 5);
    // By this process's clock the window is over twice.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(40)).await;
    tokio::time::resume();
    assert_eq!(admitted(&ahead, &id, &limits, 20).await, 0);
    assert_eq!(ahead.state().by_fallback, 0, "Redis has decided");
}

#[tokio::test]
async fn f36_a_redis_whose_clock_was_ahead_neither_frees_nor_blocks_a_device() {
    let Some(redis) = Redis::start() else { return };
    let limiter = healthy(&redis).await;
    let (id, limits) = (device("device-1"), limits(10, 640));
    assert_eq!(admitted(&limiter, &id, &limits, 4).await, 4);
    let key = redis.command::<Vec<String>>(&["KEYS", "valetkey:*:requests"]).unwrap().remove(0);
    // Four more, written by a server whose clock was an hour ahead.
    redis.run_command(&["HSET", &key, "400000000000000", "4"]);
    let other = healthy(&redis).await;
    assert_eq!(admitted(&other, &id, &limits, 10).await, 2);
    let began = tokio::time::Instant::now();
    let denied = other.admit(&id, &limits, true).await.err().unwrap();
    assert!(denied.retry_after <= Duration::from_millis(660), "{denied:?}");
    while admitted(&other, &id, &limits, 1).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn requests_left(limiter: &Limiter, id: &DeviceId, limits: &DeviceLimits) -> u64 {
    left(limiter, id, limits).await.requests.expect("an operator has set it").remaining
}

async fn left(limiter: &Limiter, id: &DeviceId, limits: &DeviceLimits) -> Allowance {
    limiter.admit(id, limits, true).await.unwrap().allowance().expect("clients are told of it")
}

/// The functions of the earlier version.
const EARLIER: &str = include_str!("../fixtures/limits_2.lua");
