//! How long requests have waited on a connection while nothing was answered.

use std::time::Duration;

use tokio::time::Instant;

/// The time for which requests waited since the upstream last sent part of an answer. A client that leaves ends its
/// wait and not the silence: a connection that answers nobody must not look good again because its clients give up.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Requests that wait for the head of their answer.
    waiting: usize,
    /// While requests wait: since when, or when part of an answer came after that.
    since: Option<Instant>,
    /// How long requests waited before that.
    before: Duration,
}

impl Silence {
    /// A request begins to wait.
    pub(super) fn wait(&mut self, now: Instant) {
        self.waiting += 1;
        self.since.get_or_insert(now);
    }

    /// A request waits no longer: it was answered, it failed, or its client left.
    pub(super) fn leave(&mut self, now: Instant) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.before = self.at(now);
            self.since = None;
        }
    }

    /// Part of an answer came.
    pub(super) fn end(&mut self, now: Instant) {
        self.before = Duration::ZERO;
        if let Some(since) = &mut self.since {
            *since = now;
        }
    }

    /// How long it has lasted at the time `now`.
    pub(super) fn at(&self, now: Instant) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn f80_a_client_that_leaves_does_not_end_the_silence() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        silence.wait(start);
        silence.leave(start + SECOND);
        assert_eq!(silence.at(start + SECOND), SECOND);
        silence.wait(start + 5 * SECOND);
        silence.wait(start + 6 * SECOND);
        silence.leave(start + 7 * SECOND);
        assert_eq!(silence.at(start + 7 * SECOND), 3 * SECOND, "nobody waited for four seconds");
    }

    #[test]
    fn part_of_an_answer_ends_the_silence() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        silence.wait(start);
        silence.end(start + SECOND);
        assert_eq!(silence.at(start + 3 * SECOND), 2 * SECOND);
        silence.end(start + 3 * SECOND);
        silence.leave(start + 3 * SECOND);
        assert_eq!((silence.at(start + 9 * SECOND), silence.waiting()), (Duration::ZERO, 0));
    }
}
