//! Where traces and metrics go, how much is kept and how often it is sent.

use std::time::Duration;

use http::HeaderMap;

use crate::transport::origin::Origin;

#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// The base address of the collector.
    pub endpoint: Origin,
    /// Marked as sensitive, because they hold credentials.
    pub headers: HeaderMap,
    pub service_name: String,
    /// The sample ratio of requests whose client has not decided, from 0 to 1.
    pub sample_ratio: f64,
}

/// Limits and intervals of the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtlpSettings {
    /// Most records in memory.
    pub most_waiting: usize,
    /// How long records gather before they are sent.
    pub gather: Duration,
    /// Interval of the exports of metrics.
    pub metrics_every: Duration,
    /// How often one message is sent while the collector does not take it.
    pub attempts: u32,
    /// Pause after the first failed attempt; it doubles with each further one.
    pub first_pause: Duration,
}

impl Default for OtlpSettings {
    /// At most about 6 MB in memory; a message is given up after about 15 seconds without the collector.
    fn default() -> Self {
        Self {
            most_waiting: 8192,
            gather: Duration::from_secs(1),
            metrics_every: Duration::from_secs(60),
            attempts: 5,
            first_pause: Duration::from_secs(1),
        }
    }
}
