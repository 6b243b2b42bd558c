//! The queue of records between the requests and the thread that sends them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::service::base::batch_queue::{BatchQueue, BatchQueueLimits};
use crate::service::meter::usage::UsageRecord;

/// Counters of the export queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OtlpCounters {
    /// Records in memory now.
    pub waiting: u64,
    /// Spans that the collector took.
    pub exported: u64,
    /// Spans that the collector did not take.
    pub lost: u64,
    /// Records that found the queue full; they are in neither traces nor metrics.
    pub dropped: u64,
}

/// A record and when its request ended.
pub(super) struct Finished {
    pub(super) record: Arc<UsageRecord>,
    pub(super) at: SystemTime,
}

pub(super) type SpanQueue = BatchQueue<Finished, OtlpCounters>;

/// Holds `most` records, which gather for `gather`.
pub(super) fn queue(most: usize, gather: Duration) -> SpanQueue {
    BatchQueue::new(BatchQueueLimits { most, batch: BATCH, gather })
}

pub(super) const BATCH: usize = 512;
