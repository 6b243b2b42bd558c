//! How long an idle connection may be used, learned from the connections that the upstream closed.
//!
//! A request that crosses the upstream's close on the wire is lost: it was written, so it is not made again. An upstream
//! that closes idle connections early is therefore used only for as long as it was seen to keep them.

use std::time::Duration;

use tokio::time::Instant;

/// The limit on idle time of one pool. Three closes in a row without a use after a longer pause make a pattern. One alone
/// may be a restart, which closes all idle connections: the pool counts those that it finds closed together as one.
#[derive(Debug, Default)]
pub(super) struct IdleLimit {
    closes: u32,
    /// The shortest idle time at which the upstream closed a connection, and when it did so last.
    shortest: Option<(Duration, Instant)>,
}

impl IdleLimit {
    /// The longest idle time after which a connection is used.
    pub(super) fn at(&mut self, now: Instant) -> Duration {
        match self.shortest {
            Some((_, seen)) if now.duration_since(seen) > REMEMBERED => *self = Self::default(),
            Some((shortest, _)) if self.closes >= PATTERN => return shortest.mul_f32(MARGIN).min(LONGEST),
            _ => {}
        }
        LONGEST
    }

    /// Learns that the upstream closed a connection that was idle for `idle`.
    pub(super) fn closed(&mut self, idle: Duration, now: Instant) {
        let shortest = self.shortest.map_or(idle, |(shortest, _)| shortest.min(idle));
        self.shortest = Some((shortest, now));
        self.closes += 1;
    }

    /// Learns that a connection was still open after it was idle for `idle`.
    pub(super) fn open(&mut self, idle: Duration) {
        if self.closes < PATTERN && self.shortest.is_some_and(|(shortest, _)| idle > shortest) {
            *self = Self::default();
        }
    }
}

/// The Anthropic API closes idle connections after about 400 s; middleboxes are less patient.
const LONGEST: Duration = Duration::from_secs(90);

/// Closes that make a pattern.
const PATTERN: u32 = 3;

/// A pattern is tested again after this time.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The share of the shortest idle time that is used: the rest covers the way of the request and of the close.
const MARGIN: f32 = 0.75;

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn an_upstream_that_closes_early_three_times_is_used_for_a_shorter_time() {
        let now = Instant::now();
        let mut limit = IdleLimit::default();
        for _ in 0..2 {
            limit.closed(SHORT, now);
            assert_eq!(limit.at(now), LONGEST);
        }
        limit.closed(SHORT * 2, now);
        assert!(limit.at(now) < SHORT);
        assert_eq!(limit.at(now + REMEMBERED * 2), LONGEST, "and tested again later");
    }

    #[test]
    fn a_connection_that_outlives_a_pause_speaks_against_the_pattern() {
        let now = Instant::now();
        let mut limit = IdleLimit::default();
        for _ in 0..5 {
            limit.closed(SHORT, now);
            limit.closed(SHORT, now);
            limit.open(SHORT * 2);
        }
        assert_eq!(limit.at(now), LONGEST);
    }
}
