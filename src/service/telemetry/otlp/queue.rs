//! Records on their way from requests to the thread that sends them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::service::base::batch_queue::{Gathering, GatheringLimits};
use crate::service::meter::usage::UsageRecord;

/// What has become of what was to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OtlpCounters {
    /// Records in memory now.
    pub waiting: u64,
    /// Spans that the collector has taken.
    pub exported: u64,
    /// Spans that it has not taken.
    pub lost: u64,
    /// Records for which there was no room; they are in neither traces nor metrics.
    pub dropped: u64,
}

/// A record that has ended.
pub(super) struct Finished {
    pub(super) record: Arc<UsageRecord>,
    pub(super) at: SystemTime,
}

/// Between the requests and the thread that sends.
pub(super) type Queue = Gathering<Finished, OtlpCounters>;

/// For `most` records in memory, which gather for so long.
pub(super) fn queue(most: usize, gather: Duration) -> Queue {
    Gathering::new(GatheringLimits { most, batch: BATCH, gather })
}

/// How many records are sent together.
pub(super) const BATCH: usize = 512;
