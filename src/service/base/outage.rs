//! Logs the begin and the end of an outage, and not each failure within it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the last attempt at something failed.
#[derive(Debug, Default)]
pub(crate) struct Outage(AtomicBool);

impl Outage {
    /// Notes a failure. True for the first one.
    pub(crate) fn begins(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// Notes a success. True for the first one after failures.
    pub(crate) fn ends(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}
