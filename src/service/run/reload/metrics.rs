//! Counts the reloads of the configuration.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};

#[derive(Default)]
pub(crate) struct ReloadMetrics {
    taken: AtomicU64,
    refused: AtomicU64,
    /// Whether the last reload was refused: a file is still wrong.
    refused_now: AtomicBool,
}

impl ReloadMetrics {
    /// Counts a reload: taken, or refused because a setting is wrong.
    pub(crate) fn reloaded(&self, taken: bool) {
        let counter = if taken { &self.taken } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        self.refused_now.store(!taken, Ordering::Relaxed);
    }

    /// How many were taken, and how many refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    /// Whether the configuration on the disk cannot be used.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused_now.load(Ordering::Relaxed)
    }
}

impl MetricSource for ReloadMetrics {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let (taken, refused) = self.counts();
        let help = "Attempts to take over a changed configuration";
        page.counters("config_reloads", help, "outcome", [("taken", taken), ("refused", refused)])?;
        let help = "1 while the configuration, the price file or a file with a secret is wrong, so that the one read before stays in use";
        page.gauge("config_refused", help, u32::from(self.is_refused()))
    }
}
