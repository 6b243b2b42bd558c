//! Medians and quantiles of durations.
#![expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of a run are far below 2^52")]

use std::time::Duration;

use serde::Serialize;

/// The middle and the tail of some durations, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Spread {
    /// Half of the durations are shorter.
    pub p50: f64,
    /// One in a hundred durations is longer.
    pub p99: f64,
}

impl Spread {
    /// The spread of these durations; zero if there are none.
    pub fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut sorted: Vec<f64> = durations.into_iter().map(|duration| micros(duration, 1)).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| sorted.get(sorted.len() * percent / 100).copied().unwrap_or(0.0);
        Self { p50: at(50), p99: at(99) }
    }

    /// How much longer than in `direct`, quantile by quantile.
    pub fn beyond(self, direct: Self) -> Self {
        Self { p50: self.p50 - direct.p50, p99: self.p99 - direct.p99 }
    }
}

/// The middle value; of an even number of values the mean of the two middle ones.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(sorted.len() / 2), at(sorted.len().saturating_sub(1) / 2))
}

/// `duration` divided by `count`, in microseconds.
pub fn micros(duration: Duration, count: usize) -> f64 {
    duration.as_nanos() as f64 / 1000.0 / count as f64
}

/// `count` in each second of `duration`.
pub fn per_second(count: usize, duration: Duration) -> f64 {
    count as f64 / duration.as_secs_f64()
}

/// `bytes` less `before`, divided by `count`, in kilobytes of 1024 bytes; negative when `bytes` is below `before`.
pub fn kilobytes(bytes: u64, before: u64, count: usize) -> f64 {
    (bytes as f64 - before as f64) / 1024.0 / count as f64
}
