//! When something was read.

use std::time::{Duration, SystemTime};

/// A moment by the wall clock, which may be set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadTime(pub(super) SystemTime);

impl ReadTime {
    /// Whether `time` has passed since. It counts as passed when the clock was set back.
    pub(super) fn is_past(self, time: Duration, now: SystemTime) -> bool {
        !now.duration_since(self.0).is_ok_and(|passed| passed < time)
    }
}

/// How long what was read is good at most: instances with a wrong clock or of an earlier version may have added records
/// unnoticed.
pub(super) const AGAIN: Duration = Duration::from_secs(3600);
/// When a record is in the database after its request ended, but for late ones: a minute for the writer, and another for
/// clocks that differ.
pub(super) const ON_RECORD: Duration = Duration::from_secs(120);
