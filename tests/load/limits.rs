//! The requests really admitted, of many clients at several instances, while Redis fails and recovers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use valetkey::secret::Secret;
use valetkey::service::govern::limits::{InstanceSettings, Limiter, Store};

use testkit::http::forwarder::Forwarder;
use testkit::service::limiter::{device, limits, patient, until};
use testkit::stores::redis::Redis;

/// An admission happened somewhere between these two instants.
type Admission = (Instant, Instant);

/// Three instances with ten clients each, of one device.
struct Crowd {
    limiters: Vec<Limiter>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<Vec<Admission>>>,
}

impl Crowd {
    async fn start(redis: &Secret, settings: InstanceSettings) -> Self {
        let settings = InstanceSettings { heartbeat: Duration::from_millis(50), ..settings };
        let mut limiters = Vec::new();
        for _ in 0..INSTANCES {
            limiters.push(Limiter::with_redis(redis, settings.clone()).await.unwrap());
        }
        let knows_all =
            |limiter: &Limiter| matches!(limiter.state().store, Store::Redis { instances } if instances.get() == 3);
        until("all instances know of each other", || limiters.iter().all(knows_all)).await;
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..30).map(|number| tokio::spawn(client(limiters[number % 3].clone(), Arc::clone(&stop))));
        Self { clients: clients.collect(), limiters, stop }
    }

    /// All admissions, in order.
    async fn end(self) -> Vec<Admission> {
        self.stop.store(true, Ordering::Relaxed);
        let mut history = Vec::new();
        for client in self.clients {
            history.extend(client.await.unwrap());
        }
        history.sort_by_key(|(_, end)| *end);
        history
    }

    fn by_fallback(&self) -> u64 {
        self.limiters.iter().map(|limiter| limiter.state().by_fallback).sum()
    }

    async fn all_healthy(&self) {
        let healthy = |limiter: &Limiter| matches!(limiter.state().store, Store::Redis { .. });
        until("all recover", || self.limiters.iter().all(healthy)).await;
    }

    /// The stretch of two windows, out of several, with the fewest decisions without Redis: on a machine that is busy
    /// for a moment Redis misses single decisions.
    async fn steadiest_stretch(&self) -> Stretch {
        let mut steadiest: Option<Stretch> = None;
        for _ in 0..STRETCHES {
            let (began, before) = (Instant::now(), self.by_fallback());
            windows(2).await;
            let by_fallback = usize::try_from(self.by_fallback() - before).unwrap();
            if steadiest.as_ref().is_none_or(|least| by_fallback < least.by_fallback) {
                steadiest = Some(Stretch { began, ended: Instant::now(), by_fallback });
            }
            if by_fallback == 0 {
                break;
            }
        }
        steadiest.unwrap()
    }
}

/// Two windows of a history.
struct Stretch {
    began: Instant,
    ended: Instant,
    by_fallback: usize,
}

async fn client(limiter: Limiter, stop: Arc<AtomicBool>) -> Vec<Admission> {
    let (id, limits) = (device("device-1"), limits(LIMIT as u32, WINDOW.as_millis() as u64));
    let mut admissions = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        if limiter.admit(&id, &limits, true).await.is_ok() {
            admissions.push((before, Instant::now()));
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    admissions
}

/// The most admissions that certainly fell into one window, wherever it begins.
fn fullest_window(history: &[Admission]) -> usize {
    let fullest = history
        .iter()
        .map(|&(from, _)| history.iter().filter(|&&(begin, end)| begin >= from && end < from + WINDOW).count());
    fullest.max().unwrap_or(0)
}

async fn windows(count: u32) {
    tokio::time::sleep(WINDOW * count).await;
}

/// Runs a crowd while `happens` disturbs its Redis. Asserts that no window holds more admissions than `bound` allows
/// for the number of decisions without Redis, and that afterwards, without a restart, none holds more than the limit.
async fn goes_through(redis: &Secret, happens: impl AsyncFnOnce(), bound: impl Fn(usize) -> usize) {
    let crowd = Crowd::start(redis, InstanceSettings::default()).await;
    windows(2).await;
    happens().await;
    windows(1).await;
    crowd.all_healthy().await;
    let healthy = crowd.steadiest_stretch().await;
    let by_fallback = usize::try_from(crowd.by_fallback()).unwrap();
    let history = crowd.end().await;
    let fullest = fullest_window(&history);
    println!("{} admitted, fullest window {fullest}, {by_fallback} decisions by fallback", history.len());
    assert!(fullest <= bound(by_fallback), "{fullest} in one window");
    let within = |&(begin, end): &Admission| begin >= healthy.began && end <= healthy.ended;
    let afterwards: Vec<_> = history.into_iter().filter(within).collect();
    let (fullest, late) = (fullest_window(&afterwards), healthy.by_fallback);
    println!("then {}, fullest window {fullest}, {late} decisions by fallback", afterwards.len());
    assert!(late <= LATE, "{late} decisions by fallback with a healthy Redis");
    assert!(fullest <= LIMIT + late.min(BY_SHARES), "a healthy Redis is exact again: {fullest} in one window");
    assert!(afterwards.len() >= LIMIT, "the limit is used again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_with_a_healthy_redis_admit_the_limit_and_no_more_in_any_window() {
    let _machine = crate::alone().await;
    let Some(redis) = Redis::start() else { return };
    let crowd = Crowd::start(&redis.url(), patient()).await;
    windows(5).await;
    assert_eq!(crowd.by_fallback(), 0);
    let history = crowd.end().await;
    println!("{} admitted, fullest window {}", history.len(), fullest_window(&history));
    assert!(fullest_window(&history) <= LIMIT);
    assert!(history.len() >= LIMIT * 4, "{} in five windows", history.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f30_admissions_stay_within_their_bound_when_redis_dies_and_comes_back_empty() {
    let _machine = crate::alone().await;
    let Some(mut redis) = Redis::start() else { return };
    let url = redis.url();
    let happens = async || {
        redis.kill();
        windows(2).await;
        redis.run();
    };
    goes_through(&url, happens, |_| LIMIT + ONCE_MORE + BY_SHARES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_admissions_stay_within_their_bound_when_redis_pauses() {
    let _machine = crate::alone().await;
    let Some(redis) = Redis::start() else { return };
    let happens = async || {
        redis.run_command(&["CLIENT", "PAUSE", "300", "ALL"]);
        windows(2).await;
    };
    goes_through(&redis.url(), happens, |_| LIMIT + BY_SHARES).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_admissions_stay_within_their_bound_when_redis_is_stopped() {
    let _machine = crate::alone().await;
    let Some(redis) = Redis::start() else { return };
    let happens = async || {
        redis.signal("STOP");
        windows(2).await;
        redis.signal("CONT");
    };
    goes_through(&redis.url(), happens, |_| LIMIT + BY_SHARES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f32_admissions_stay_within_their_bound_when_redis_loses_all_data() {
    let _machine = crate::alone().await;
    let Some(redis) = Redis::start() else { return };
    let happens = async || {
        redis.run_command(&["FLUSHALL"]);
        windows(1).await;
    };
    goes_through(&redis.url(), happens, |by_fallback| LIMIT + ONCE_MORE + by_fallback.min(BY_SHARES)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f33_admissions_stay_within_their_bound_when_a_replica_takes_over() {
    let _machine = crate::alone().await;
    let (Some(mut old), Some(new)) = (Redis::start(), Redis::start()) else { return };
    let way = Forwarder::to(old.port());
    new.run_command(&["REPLICAOF", "127.0.0.1", &old.port().to_string()]);
    let is_copy =
        || new.command::<String>(&["INFO", "replication"]).is_ok_and(|info| info.contains("master_link_status:up"));
    until("the replica follows", is_copy).await;
    let happens = async || {
        old.kill();
        windows(1).await;
        new.run_command(&["REPLICAOF", "NO", "ONE"]);
        way.lead_to(new.port());
    };
    let url = Secret::new(format!("redis://127.0.0.1:{}", way.port()));
    goes_through(&url, happens, |_| LIMIT + ONCE_MORE + BY_SHARES).await;
}

const INSTANCES: usize = 3;
const LIMIT: usize = 100;
const WINDOW: Duration = Duration::from_millis(640);

/// The most stretches that are tried.
const STRETCHES: usize = 20;

/// The late decisions allowed in a stretch on a machine that others use too; a stretch has some thousands.
const LATE: usize = LIMIT * 10;

/// Further admissions for the counts that Redis has lost.
const ONCE_MORE: usize = LIMIT;

/// Admissions of all instances together while Redis does not decide.
const BY_SHARES: usize = LIMIT;

/// Thirty clients then ask some thousand times a second, which leaves a small machine time to answer.
const BETWEEN_TRIES: Duration = Duration::from_millis(8);
