//! When an attempt to get a token is due, and when it is too soon for one.

use std::time::{Duration, SystemTime};

use super::backoff::Setback;
use super::request::Reason;
use crate::client::config::ClientConfig;
use crate::client::credential::WrapperToken;
use crate::client::error::ClientError;
use crate::client::jitter::random_fraction;

/// The times of past attempts, from which those of the next ones follow.
pub(super) struct Schedule {
    refresh_before: Duration,
    refresh_interval: Duration,
    failures: u32,
    setback: Option<Setback>,
    /// When a token that the service had rejected was replaced.
    last_rejection: Option<SystemTime>,
    /// Random, from 0 to 1: with 0 the present token is refreshed when it is due, with 1 as early as [`JITTER`] allows.
    early: f64,
}

impl Schedule {
    #[must_use]
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            refresh_before: config.refresh_before,
            refresh_interval: config.refresh_interval,
            failures: 0,
            setback: None,
            last_rejection: None,
            early: random_fraction(),
        }
    }

    /// Records an attempt that found the token of another process of the app.
    pub(super) fn ended(&mut self) {
        self.failures = 0;
        self.setback = None;
        self.early = random_fraction();
    }

    /// Records an attempt that brought a new token.
    pub(super) fn succeeded(&mut self, reason: Reason, now: SystemTime) {
        self.ended();
        if matches!(reason, Reason::Rejected(_)) {
            self.last_rejection = Some(now);
        }
    }

    /// Records an attempt that failed.
    pub(super) fn failed(&mut self, error: &ClientError, now: SystemTime) {
        self.failures = self.failures.saturating_add(1);
        self.setback = Some(Setback::new(self.failures, error.clone(), now));
    }

    /// When the wait that follows a failure ends; `None` without one.
    #[must_use]
    pub(super) fn retries_at(&self) -> Option<SystemTime> {
        self.setback.as_ref().map(Setback::ends_at)
    }

    /// Ends the wait that follows a failure. A refused device goes on waiting: nothing on this machine lets it in.
    pub(super) fn end_wait(&mut self) {
        self.setback.iter_mut().filter(|setback| !setback.error.is_refusal()).for_each(Setback::lift);
    }

    /// Whether `token`, the one in use, is to be replaced now, if no wait holds. After a failure that is so whatever the
    /// token is like: only a success shows that the service can be asked again, and that it lets the device in.
    #[must_use]
    pub(super) fn is_due(&self, token: Option<&WrapperToken>, now: SystemTime) -> bool {
        let waits = self.setback.as_ref().is_some_and(|setback| setback.holds(now));
        let is_old = |token: &WrapperToken| token.is_expired(now) || now >= self.due_at(token);
        !waits && (self.setback.is_some() || token.is_none_or(is_old))
    }

    /// How long the task may sleep before it compares the clock again.
    #[must_use]
    pub(super) fn until_next_look(&self, token: Option<&WrapperToken>, now: SystemTime) -> Duration {
        let next = match (&self.setback, token) {
            (Some(setback), _) if setback.holds(now) => setback.ends_at(),
            (Some(_), _) => now,
            (None, Some(token)) => self.due_at(token),
            (None, None) => now + LONGEST_SLEEP,
        };
        let until = next.duration_since(now).unwrap_or_default();
        until.clamp(SHORTEST_SLEEP, self.refresh_interval.clamp(SHORTEST_SLEEP, LONGEST_SLEEP))
    }

    /// The error for a request that asks for a newer token than `token` too soon after an attempt.
    #[must_use]
    pub(super) fn refusal(&self, reason: Reason, token: Option<&WrapperToken>, now: SystemTime) -> Option<ClientError> {
        let is_rejected = matches!(reason, Reason::Rejected(_));
        if let Some(setback) = &self.setback {
            // While the present token is usable, requests do not cut the wait short.
            let in_hand = !is_rejected && token.is_some_and(|token| !token.is_expired(now));
            if setback.holds_all(now) || (in_hand && setback.holds(now)) {
                return Some(setback.error.clone());
            }
        }
        // Otherwise a service that rejects every token it issues would be asked for a new one with each request.
        let is_recent = |at: SystemTime| now.duration_since(at).is_ok_and(|since| since < REJECTION_PAUSE);
        let again = is_rejected && self.last_rejection.is_some_and(is_recent);
        again.then(|| ClientError::Unhealthy("it rejects the token it has just issued".into()))
    }

    /// When to refresh: a random while before the token is due, so that devices that started together drift apart.
    fn due_at(&self, token: &WrapperToken) -> SystemTime {
        let due = token.due_at(self.refresh_before);
        let life = due.duration_since(token.received_at).unwrap_or_default();
        due - life.min(self.refresh_interval).mul_f64(self.early * JITTER)
    }
}

/// The longest time between two looks at the clock, because timers stop while a laptop sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The shortest time between two looks, whatever the clock and the settings are.
pub(super) const SHORTEST_SLEEP: Duration = Duration::from_millis(50);

/// The shortest time between two replacements of a rejected token.
const REJECTION_PAUSE: Duration = Duration::from_secs(60);

/// The largest part of the interval by which a refresh comes early.
const JITTER: f64 = 0.1;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::error::Cause;
    use crate::secret::Secret;
    use crate::transport::origin::Origin;

    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);

    fn schedule(early: f64) -> Schedule {
        let (refresh_before, refresh_interval) = (HOUR, HOUR / 2);
        let (setback, last_rejection) = (None, None);
        Schedule { refresh_before, refresh_interval, failures: 0, setback, last_rejection, early }
    }

    fn token() -> WrapperToken {
        WrapperToken {
            token: Secret::new("a.b.c"),
            received_at: SystemTime::UNIX_EPOCH + 1000 * HOUR,
            lifetime: 24 * HOUR,
            refresh_in: Duration::ZERO,
            origin: Arc::new(Origin::parse("http://127.0.0.1:1").unwrap()),
            bootstrap_url: String::new(),
            regions: Vec::new(),
        }
    }

    #[test]
    fn a_token_is_due_an_hour_before_its_end_or_up_to_three_minutes_earlier() {
        let token = token();
        for (early, due) in [(0.0, 23 * HOUR), (1.0, (23 * HOUR).checked_sub(180 * SECOND).unwrap())] {
            let is_due = |age| schedule(early).is_due(Some(&token), token.received_at + age);
            assert_eq!([is_due(due.checked_sub(SECOND).unwrap()), is_due(due)], [false, true]);
        }
        assert!(schedule(0.0).is_due(None, token.received_at));
    }

    #[test]
    fn after_a_failure_the_clock_and_requests_wait_as_long_as_the_service_asked() {
        let (token, mut schedule) = (token(), schedule(0.0));
        let now = token.received_at + 23 * HOUR;
        let busy = ClientError::Unavailable { message: String::new(), retry_after: Some(40 * SECOND) };
        schedule.failed(&busy, now);
        for after in [SECOND, 39 * SECOND] {
            assert!(!schedule.is_due(Some(&token), now + after));
            assert!(schedule.refusal(Reason::Aged(1), Some(&token), now + after).is_some());
            assert!(schedule.refusal(Reason::Aged(1), None, now + after).is_some());
        }
        assert!(schedule.is_due(Some(&token), now + 40 * SECOND));
        assert!(schedule.refusal(Reason::Aged(1), Some(&token), now + 40 * SECOND).is_none());
        assert_eq!(schedule.until_next_look(Some(&token), now + 39 * SECOND), SECOND);
        schedule.end_wait();
        assert!(schedule.is_due(Some(&token), now));
    }

    #[test]
    fn f75_a_revoked_device_asks_every_half_minute_with_a_fresh_token_and_without_one() {
        let (token, mut schedule) = (token(), schedule(0.0));
        let mut now = token.received_at;
        for _ in 0..3 {
            schedule.failed(&ClientError::Revoked(String::new()), now);
            schedule.end_wait();
            for token in [None, Some(&token)] {
                assert!(!schedule.is_due(token, now + 24 * SECOND));
                assert!(schedule.refusal(Reason::Rejected(1), token, now + 24 * SECOND).is_some());
                assert!(schedule.until_next_look(token, now) <= 30 * SECOND);
                assert!(schedule.is_due(token, now + 30 * SECOND));
                assert!(schedule.refusal(Reason::Rejected(1), token, now + 30 * SECOND).is_none());
            }
            now += 30 * SECOND;
        }
        // No other failure makes the device forget that it has to ask.
        for error in [ClientError::Network(Cause::default()), ClientError::Unhealthy(String::new())] {
            schedule.failed(&error, now);
            now += 32 * SECOND;
            assert!(schedule.is_due(Some(&token), now), "{error}");
        }
        schedule.succeeded(Reason::Aged(1), now);
        assert!(!schedule.is_due(Some(&token), now + HOUR));
    }

    #[test]
    fn f48_a_failed_attempt_is_made_again_though_the_token_is_fresh() {
        let (token, mut schedule) = (token(), schedule(0.0));
        let now = token.received_at;
        schedule.failed(&ClientError::Network(Cause::default()), now);
        assert!(!schedule.is_due(Some(&token), now) && schedule.is_due(Some(&token), now + SECOND));
        assert_eq!(schedule.until_next_look(Some(&token), now + SECOND), SHORTEST_SLEEP);
    }

    #[test]
    fn a_rejected_token_is_replaced_once_a_minute() {
        let (token, mut schedule) = (token(), schedule(0.0));
        let now = token.received_at;
        schedule.succeeded(Reason::Rejected(1), now);
        let refusal = |reason, after| schedule.refusal(reason, Some(&token), now + after);
        assert!(matches!(refusal(Reason::Rejected(2), 59 * SECOND), Some(ClientError::Unhealthy(_))));
        assert!(refusal(Reason::Aged(2), 59 * SECOND).is_none());
        assert!(refusal(Reason::Rejected(2), 60 * SECOND).is_none());
    }
}
