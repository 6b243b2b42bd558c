//! Deletes old rows: revocations that have ended, references to what the upstream has forgotten, and usage and audit
//! entries beyond the age that the settings allow.
//!
//! It runs on the control thread, beside work that must not wait for it, and takes small steps, because each step keeps
//! the usage writer from the database. Several instances may delete at once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::service::store::database::{Database, StoreError};

/// How long records are kept. `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionConfig {
    pub usage: Option<Duration>,
    pub audit: Option<Duration>,
}

pub(crate) struct Retention {
    database: Database,
    ages: RetentionConfig,
    clock: Arc<dyn Clock>,
}

impl Retention {
    pub(crate) fn new(database: Database, ages: RetentionConfig, clock: Arc<dyn Clock>) -> Self {
        Self { database, ages, clock }
    }

    /// Deletes at once and then every hour, for ever. The hour is that of the wall clock, which also counts the age of
    /// rows, so the clock is read more often.
    pub(crate) async fn run(&self) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last: Option<SystemTime> = None;
        loop {
            ticks.tick().await;
            let now = self.clock.now();
            // A clock that was set back begins a new hour.
            if last.is_some_and(|last| now.duration_since(last).is_ok_and(|passed| passed < EVERY)) {
                continue;
            }
            last = Some(now);
            if let Err(error) = self.delete_old(now).await {
                tracing::warn!(%error, "Cannot delete old rows; the next attempt is in an hour");
            }
        }
    }

    async fn delete_old(&self, now: SystemTime) -> Result<(), StoreError> {
        self.database.revocations().delete_expired(now).await?;
        let references = self.database.owned_references();
        in_steps(async || references.delete_expired(now, STEP).await).await?;
        let before = |age: Option<Duration>| age.and_then(|age| now.checked_sub(age));
        if let Some(time) = before(self.ages.usage) {
            let usage = self.database.usage();
            note("usage records", in_steps(async || usage.delete_before(time, STEP).await).await?);
        }
        if let Some(time) = before(self.ages.audit) {
            let audit = self.database.audit();
            note("entries of the audit trail", in_steps(async || audit.delete_before(time, STEP).await).await?);
        }
        Ok(())
    }
}

/// Deletes step by step until a step finds fewer rows than it could take. Returns how many rows it deleted.
async fn in_steps(delete: impl AsyncFn() -> Result<u64, StoreError>) -> Result<u64, StoreError> {
    let mut sum = 0;
    loop {
        let deleted = delete().await?;
        sum += deleted;
        if deleted < u64::from(STEP) {
            return Ok(sum);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn note(what: &str, deleted: u64) {
    if deleted > 0 {
        tracing::info!(deleted, "Deleted {deleted} {what} that were older than the settings say");
    }
}

const LOOK: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(3600);
/// Rows of one step, which takes a few milliseconds.
const STEP: u32 = 500;
/// Between two steps other work has the database.
const PAUSE: Duration = Duration::from_millis(50);
