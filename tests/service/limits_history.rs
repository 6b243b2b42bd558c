//! What really was admitted, by many clients at several instances, while Redis comes and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use valetkey::service::limits::{InstanceSettings, Limiter, Store};

use crate::limits_contract::{device, limits, patient, until};
use crate::support::redis::Redis;

/// An admission happened somewhere between these two.
type Admission = (Instant, Instant);

/// Three instances with ten clients each, of one device.
struct Crowd {
    limiters: Vec<Limiter>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<Vec<Admission>>>,
}

impl Crowd {
    async fn start(redis: &Redis, settings: InstanceSettings) -> Self {
        let settings = InstanceSettings { heartbeat: Duration::from_millis(50), ..settings };
        let mut limiters = Vec::new();
        for _ in 0..INSTANCES {
            limiters.push(Limiter::with_redis(&redis.url(), settings.clone()).await.unwrap());
        }
        let knows_all =
            |limiter: &Limiter| matches!(limiter.state().store, Store::Redis { instances } if instances.get() == 3);
        until("all know of each other", || limiters.iter().all(knows_all)).await;
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..30).map(|number| tokio::spawn(client(limiters[number % 3].clone(), Arc::clone(&stop))));
        Self { clients: clients.collect(), limiters, stop }
    }

    /// Everything that was admitted, in order.
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
}

async fn client(limiter: Limiter, stop: Arc<AtomicBool>) -> Vec<Admission> {
    let (id, limits) = (device("device-1"), limits(LIMIT as u32, WINDOW.as_millis() as u64));
    let mut admissions = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        if limiter.admit(&id, &limits, true).await.is_ok() {
            admissions.push((before, Instant::now()));
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    admissions
}

/// The most that certainly happened within one window, wherever it begins.
fn fullest_window(history: &[Admission]) -> usize {
    let fullest = history
        .iter()
        .map(|&(from, _)| history.iter().filter(|&&(begin, end)| begin >= from && end < from + WINDOW).count());
    fullest.max().unwrap_or(0)
}

async fn windows(count: u32) {
    tokio::time::sleep(WINDOW * count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_redis_admits_the_limit_in_no_window_more() {
    let Some(redis) = Redis::start() else { return };
    let crowd = Crowd::start(&redis, patient()).await;
    windows(5).await;
    assert_eq!(crowd.by_fallback(), 0);
    let history = crowd.end().await;
    println!("{} admitted, fullest window {}", history.len(), fullest_window(&history));
    assert!(fullest_window(&history) <= LIMIT);
    assert!(history.len() >= LIMIT * 4, "{} in five windows", history.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f30_f31_f32_whatever_happens_to_redis_the_stated_bound_holds() {
    let Some(mut redis) = Redis::start() else { return };
    let crowd = Crowd::start(&redis, InstanceSettings::default()).await;
    windows(2).await;
    redis.run_command(&["CLIENT", "PAUSE", "300", "ALL"]);
    windows(2).await;
    redis.run_command(&["FLUSHALL"]);
    windows(2).await;
    redis.kill();
    windows(2).await;
    redis.run();
    crowd.all_healthy().await;
    windows(2).await;
    let (recovered, by_fallback) = (Instant::now(), crowd.by_fallback());
    windows(2).await;
    let by_fallback = crowd.by_fallback() - by_fallback;
    let history = crowd.end().await;
    println!("{} admitted, fullest window {}", history.len(), fullest_window(&history));
    // By Redis, once more because it lost its data, and by shares.
    assert!(fullest_window(&history) <= 3 * LIMIT);
    let since: Vec<Admission> = history.into_iter().filter(|(begin, _)| *begin > recovered).collect();
    println!("then {}, fullest window {}, by fallback {by_fallback}", since.len(), fullest_window(&since));
    assert!(fullest_window(&since) <= bound(by_fallback), "healthy again, exact again");
    assert!(since.len() >= LIMIT, "and of use again");
}

/// A stall of the machine makes single decisions fall back; then the bound is that without Redis.
fn bound(by_fallback: u64) -> usize {
    if by_fallback == 0 { LIMIT } else { 2 * LIMIT }
}

const INSTANCES: usize = 3;
const LIMIT: usize = 100;
const WINDOW: Duration = Duration::from_millis(640);
