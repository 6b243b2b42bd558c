//! The revocations in force: callers that are no longer served, although their tokens are genuine and young.
//!
//! The store has the truth; this is the copy that requests are judged by. It is replaced as a whole, and with each
//! replacement open requests are judged again. [`Revocations::staleness`] tells how old the copy may be.

mod open;
mod set;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

pub use self::open::{OpenRequest, OpenRequests};
pub use self::set::{Reach, RevocationSet, Revoked};
use crate::clock::millis;
use crate::lock::lock;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};
use crate::service::token::verify::Caller;
use crate::transport::problem::Problem;
use crate::wire::{Claims, DeviceId, ErrorCode};

/// The current set and the requests that it applies to.
pub struct Revocations {
    current: ArcSwap<RevocationSet>,
    started: Instant,
    /// When the set was last known to be the truth, in milliseconds after the start; 0 while there is no store. Not by
    /// the wall clock, which people set.
    confirmed: AtomicU64,
    /// Beyond this age no caller is served.
    max_staleness: Duration,
    workers: Mutex<Vec<OpenRequests>>,
}

impl Revocations {
    /// Begins with an empty set. From the first [`confirm`](Self::confirm) on, no caller is served once the set has not
    /// been confirmed for `max_staleness`.
    pub fn new(max_staleness: Duration) -> Self {
        Self {
            current: ArcSwap::default(),
            started: Instant::now(),
            confirmed: AtomicU64::new(0),
            max_staleness,
            workers: Mutex::default(),
        }
    }

    /// Judges a caller by the current set. Fails with [`ErrorCode::TokenRevoked`], with [`ErrorCode::TokenOutdated`]
    /// when another token of the same device would be valid, and with [`ErrorCode::NotReady`] when the set is too old
    /// to judge by.
    pub fn judge(&self, claims: &Claims) -> Result<(), Problem> {
        let set = self.current.load();
        self.judge_by(&set, claims)?;
        if set.ends(claims) { Err(outdated()) } else { Ok(()) }
    }

    /// Judges the claims of a token about to be signed: the end of older tokens does not concern it.
    pub fn judge_new(&self, claims: &Claims) -> Result<(), Problem> {
        self.judge_by(&self.current.load(), claims)
    }

    fn judge_by(&self, set: &RevocationSet, claims: &Claims) -> Result<(), Problem> {
        match set.covers(claims) {
            None => {}
            Some(Reach::Holder) => return Err(revoked()),
            Some(Reach::Token) => return Err(outdated()),
        }
        if self.is_too_stale() {
            let message = "The service cannot learn at the moment who is revoked; try again later";
            return Err(Problem::new(ErrorCode::NotReady, message).retry_after(STALE_RETRY));
        }
        Ok(())
    }

    /// Takes over a newer set and cancels every open request that it covers.
    pub fn replace(&self, set: RevocationSet) {
        self.current.store(Arc::new(set));
        self.confirm();
        self.end_covered();
    }

    /// Applies the overrides in force now to the callers of open requests, and ends the requests that are then
    /// revoked.
    pub fn describe_open(&self, ruled: impl Fn(&Arc<Caller>) -> Arc<Caller>) {
        for worker in self.lists().iter() {
            worker.describe(&ruled);
        }
        self.end_covered();
    }

    fn end_covered(&self) {
        let set = self.current.load();
        for worker in self.lists().iter() {
            worker.end(|claims| set.covers(claims).is_some());
        }
    }

    fn lists(&self) -> MutexGuard<'_, Vec<OpenRequests>> {
        lock(&self.workers)
    }

    /// Says that the current set is still the truth.
    pub fn confirm(&self) {
        self.confirmed.store(self.millis().max(1), Ordering::Relaxed);
    }

    /// How long the set has not been confirmed.
    pub fn staleness(&self) -> Duration {
        match self.confirmed.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            confirmed => Duration::from_millis(self.millis().saturating_sub(confirmed)),
        }
    }

    fn millis(&self) -> u64 {
        millis(self.started.elapsed())
    }

    /// Whether the set is too old to judge by.
    pub fn is_too_stale(&self) -> bool {
        self.staleness() > self.max_staleness
    }

    /// The Unix second before which a device's tokens were ended, if they were.
    pub fn tokens_ended_before(&self, device: &DeviceId) -> Option<u64> {
        self.current.load().tokens_ended_before(device)
    }

    /// Adds the list of one worker's open requests.
    pub fn for_worker(&self) -> OpenRequests {
        let requests = OpenRequests::default();
        self.lists().push(requests.clone());
        requests
    }
}

impl MetricSource for Revocations {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let staleness = ConstGauge::new(self.staleness().as_secs());
        page.seconds("revocation_staleness", "Since the revocations in use were known to be the truth", &staleness)?;
        page.gauge("revocations", "Entries in the revocations in use", self.current.load().count)?;
        let open: usize = self.lists().iter().map(OpenRequests::count).sum();
        page.gauge("open_requests", "Requests that are open now", open)
    }
}

/// The answer to a revoked caller, before or during its request.
pub fn revoked() -> Problem {
    Problem::new(ErrorCode::TokenRevoked, "This device's access has been revoked")
}

/// This code makes a client ask for a new token and repeat its request.
fn outdated() -> Problem {
    let message = "The wrapper token was ended before its time; get a new one from /bootstrap";
    Problem::new(ErrorCode::TokenOutdated, message)
}

const STALE_RETRY: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
