//! How recent requests ended, by share of devices.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::BreakerSettings;
use super::share::{DeviceShare, SHARES};

/// A sliding window in slices. Nothing in it is older than the window, because the oldest slice leaves as a whole.
#[derive(Debug, Default)]
pub(super) struct RecentOutcomes(VecDeque<Slice>);

#[derive(Debug)]
struct Slice {
    since: Instant,
    shares: [OutcomeCounts; SHARES],
}

#[derive(Debug, Clone, Copy, Default)]
struct OutcomeCounts {
    requests: u32,
    failures: u32,
}

impl RecentOutcomes {
    /// Counts the end of a request, or the failure of a request that was `counted` as good before.
    pub(super) fn count(
        &mut self,
        share: DeviceShare,
        failed: bool,
        counted: bool,
        now: Instant,
        settings: &BreakerSettings,
    ) {
        self.forget(now, settings.window);
        let slice = settings.window / SLICES;
        if self.0.back().is_none_or(|last| last.since + slice <= now) {
            self.0.push_back(Slice { since: now, shares: [OutcomeCounts::default(); SHARES] });
        }
        if let Some(count) = self.0.back_mut().and_then(|last| last.shares.get_mut(share.index())) {
            count.requests = count.requests.saturating_add(u32::from(!counted));
            count.failures = count.failures.saturating_add(u32::from(failed));
        }
    }

    /// Whether there were enough requests and too many of them failed, where no share counts for more than
    /// [`most_of_a_share`].
    pub(super) fn is_too_bad(&mut self, now: Instant, settings: &BreakerSettings) -> bool {
        self.forget(now, settings.window);
        let most = most_of_a_share(settings);
        let (mut requests, mut failures) = (0, 0);
        for share in 0..SHARES {
            let (all, failed) = self.sum(|slice| slice.shares[share]);
            let counted = all.min(most);
            requests += counted;
            failures += (failed.min(all) * counted).checked_div(all).unwrap_or(0);
        }
        requests >= u64::from(settings.least_volume) && failures * 100 > requests * u64::from(settings.most_failures)
    }

    /// All requests and failures within the window, whatever their share.
    pub(super) fn totals(&mut self, now: Instant, settings: &BreakerSettings) -> (u64, u64) {
        self.forget(now, settings.window);
        let sums = (0..SHARES).map(|share| self.sum(|slice| slice.shares[share]));
        sums.fold((0, 0), |(requests, failures), (more, failed)| (requests + more, failures + failed))
    }

    fn sum(&self, count: impl Fn(&Slice) -> OutcomeCounts) -> (u64, u64) {
        self.0.iter().map(count).fold((0, 0), |(requests, failures), count| {
            (requests + u64::from(count.requests), failures + u64::from(count.failures))
        })
    }

    fn forget(&mut self, now: Instant, window: Duration) {
        while self.0.front().is_some_and(|first| first.since + window <= now) {
            self.0.pop_front();
        }
    }
}

/// So many failures do not exceed the allowed percentage of the least volume or of any larger one, so that a share
/// alone opens nothing.
fn most_of_a_share(settings: &BreakerSettings) -> u64 {
    u64::from(settings.least_volume) * u64::from(settings.most_failures) / 100
}

const SLICES: u32 = 6;
