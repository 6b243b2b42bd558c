//! Keeps the real key as `ANTHROPIC_API_KEY_COMMAND` prints it: runs the command at intervals, at SIGHUP, and when the
//! upstream refuses the key. No request waits for it. When it fails, the key in use stays.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::key_source::KeySource;
use super::key_swap::KeySwap;
use crate::service::base::watched_file::Follower;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

pub(crate) struct KeyRenewal {
    interval: Duration,
    source: KeySource,
    swap: Arc<KeySwap>,
    asked: Notify,
    done: AtomicU64,
    failed: AtomicU64,
    failed_now: AtomicBool,
}

impl KeyRenewal {
    /// Renews the key of `swap`. `None` if no command gives the key.
    pub(crate) fn of(source: &KeySource, swap: &Arc<KeySwap>) -> Option<Arc<Self>> {
        let KeySource::Command { interval, .. } = source else { return None };
        Some(Arc::new(Self {
            interval: *interval,
            source: source.clone(),
            swap: Arc::clone(swap),
            asked: Notify::new(),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failed_now: AtomicBool::new(false),
        }))
    }

    /// Runs the command at SIGHUP.
    pub(crate) fn follower(self: &Arc<Self>) -> Follower {
        let renewal = Arc::clone(self);
        Follower::of_changing(Vec::new(), move |_| renewal.asked.notify_one())
    }

    /// Runs on the control thread.
    pub(crate) async fn run(&self) {
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                () = self.asked.notified() => {}
                // A bad key is refused at every request.
                () = self.refused(next) => next = Instant::now() + PAUSE,
            }
            self.renew().await;
        }
    }

    /// Waits until the upstream refuses the key, and at least until `next`.
    async fn refused(&self, next: Instant) {
        self.swap.until_refused().await;
        tokio::time::sleep_until(next).await;
    }

    async fn renew(&self) {
        match self.source.read().await {
            Ok(key) => {
                self.swap.replace(&key, &self.source);
                self.done.fetch_add(1, Ordering::Relaxed);
                if self.failed_now.swap(false, Ordering::Relaxed) {
                    tracing::info!("ANTHROPIC_API_KEY_COMMAND prints a key again");
                }
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.failed_now.store(true, Ordering::Relaxed);
                tracing::error!(%error, "No new real key, the one in use stays: {error}");
            }
        }
    }
}

impl MetricSource for KeyRenewal {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let [done, failed] = [&self.done, &self.failed].map(|count| count.load(Ordering::Relaxed));
        let help = "Runs of ANTHROPIC_API_KEY_COMMAND since the start";
        page.counters("key_command_runs", help, "outcome", [("done", done), ("failed", failed)])?;
        let help = "1 while ANTHROPIC_API_KEY_COMMAND fails, so that the key printed before stays in use";
        page.gauge("key_command_failed", help, u32::from(self.failed_now.load(Ordering::Relaxed)))
    }
}

/// The least time between two runs that refusals cause.
const PAUSE: Duration = Duration::from_secs(60);
