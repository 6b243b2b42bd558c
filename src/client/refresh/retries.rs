//! Attempts at growing intervals to mend what is out of use, such as the way to the service.

use std::time::{Duration, SystemTime};

use super::backoff::Setback;
use crate::client::error::ClientError;

/// The attempts so far. The first comes about a second after the failure; [`delay`](super::backoff::delay) says when
/// the others do.
#[derive(Default)]
pub(super) struct Retries {
    count: u32,
    setback: Option<Setback>,
}

impl Retries {
    /// Whether the next attempt is to be made now, `error` being the failure that stands. If so, it counts as made.
    pub(super) fn is_due(&mut self, error: Option<ClientError>, now: SystemTime) -> bool {
        let Some(error) = error else {
            *self = Self::default();
            return false;
        };
        let is_due = match &self.setback {
            Some(setback) if setback.holds(now) => return false,
            setback => setback.is_some(),
        };
        self.count = self.count.saturating_add(1);
        self.setback = Some(Setback::new(self.count, error, now));
        is_due
    }

    /// Whether a failure stands, as far as the last call of [`is_due`](Self::is_due) knew.
    #[must_use]
    pub(super) fn are_under_way(&self) -> bool {
        self.setback.is_some()
    }

    /// How long until the next attempt; `None` if none is wanted.
    #[must_use]
    pub(super) fn until_next(&self, now: SystemTime) -> Option<Duration> {
        self.setback.as_ref().map(|setback| setback.ends_at().duration_since(now).unwrap_or_default())
    }

    /// Lets the next attempt be made at once.
    pub(super) fn end_wait(&mut self) {
        self.setback.iter_mut().for_each(Setback::lift);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Cause;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn attempts_begin_after_a_moment_and_grow_rare() {
        let (mut retries, mut now) = (Retries::default(), SystemTime::UNIX_EPOCH);
        let error = || Some(ClientError::Network(Cause::default()));
        assert!(!retries.is_due(error(), now));
        assert!(retries.until_next(now).unwrap() <= SECOND);
        let mut attempts = 0;
        for _ in 0..120 {
            now += SECOND;
            attempts += u32::from(retries.is_due(error(), now));
        }
        assert!((6..=15).contains(&attempts), "{attempts} in two minutes");
        assert!(retries.until_next(now).unwrap() <= 30 * SECOND);
        retries.end_wait();
        assert!(retries.is_due(error(), now));
        assert!(!retries.is_due(None, now));
        assert_eq!(retries.until_next(now), None);
    }
}
