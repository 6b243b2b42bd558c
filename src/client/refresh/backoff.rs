//! How long the refresh loop waits after a failure.

use std::time::{Duration, SystemTime};

use crate::client::error::ClientError;
use crate::client::jitter::random_fraction;

/// The last failure, and the wait that follows it.
pub(super) struct Setback {
    at: SystemTime,
    wait: Duration,
    pub error: ClientError,
}

impl Setback {
    /// The latest of `failures` in a row, which happened at `now`.
    #[must_use]
    pub(super) fn new(failures: u32, error: ClientError, now: SystemTime) -> Self {
        Self { at: now, wait: delay(failures, &error), error }
    }

    /// Whether the wait goes on. A clock that was set back ends it, because the time that has passed is then unknown.
    #[must_use]
    pub(super) fn holds(&self, now: SystemTime) -> bool {
        self.is_within(self.wait, now)
    }

    /// Whether a request without a usable token has to wait too: for a moment after any failure, for as long as the
    /// service asked with `Retry-After`, and while the service refuses the device.
    #[must_use]
    pub(super) fn holds_all(&self, now: SystemTime) -> bool {
        let stated =
            matches!(self.error, ClientError::Unavailable { retry_after: Some(_), .. }) || self.error.is_refusal();
        self.is_within(LEAST_PAUSE, now) || (stated && self.holds(now))
    }

    #[must_use]
    pub(super) fn ends_at(&self) -> SystemTime {
        self.at + self.wait
    }

    pub(super) fn lift(&mut self) {
        self.wait = Duration::ZERO;
    }

    fn is_within(&self, wait: Duration, now: SystemTime) -> bool {
        now.duration_since(self.at).is_ok_and(|since| since < wait)
    }
}

/// The wait before the next attempt: 1 s, doubled with each failure, up to 30 s while the network is away, a minute for
/// the keychain, and 5 min while the service fails. Up to half of it is taken off at random, so that a fleet does not
/// return in step. It is at least the service's `Retry-After`. A refused device waits half a minute if it is revoked
/// and 5 min otherwise, each less a sixth at most.
#[must_use]
pub(super) fn delay(failures: u32, error: &ClientError) -> Duration {
    let most = match error {
        ClientError::Revoked(_) => return steady(REVOKED),
        ClientError::Denied { .. } => return steady(MOST),
        error if error.is_of_keychain() => KEYCHAIN_MOST,
        error if error.is_unreached() => OFFLINE_MOST,
        _ => MOST,
    };
    let full = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(most);
    let wait = full / 2 + (full / 2).mul_f64(random_fraction());
    match error {
        ClientError::Unavailable { retry_after: Some(least), .. } => wait.max((*least).min(LONGEST_STATED)),
        _ => wait,
    }
}

fn steady(full: Duration) -> Duration {
    (full / 6).mul_f64(5.0 + random_fraction())
}

/// How long requests start no other attempt after a failure.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

const FIRST: Duration = Duration::from_secs(1);
const OFFLINE_MOST: Duration = Duration::from_secs(30);
const KEYCHAIN_MOST: Duration = Duration::from_secs(60);

/// How often a revoked device asks whether it is let in again.
const REVOKED: Duration = Duration::from_secs(30);

const MOST: Duration = Duration::from_secs(300);

/// The longest `Retry-After` to obey; one of a day is more likely a mistake.
const LONGEST_STATED: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Cause;

    #[test]
    fn waits_double_up_to_their_limit() {
        let busy = ClientError::Unavailable { message: String::new(), retry_after: None };
        let offline = ClientError::Network(Cause::default());
        for (failures, error, full) in
            [(1, &busy, 1), (4, &busy, 8), (40, &busy, 300), (1, &offline, 1), (9, &offline, 30)]
        {
            let full = Duration::from_secs(full);
            let wait = delay(failures, error);
            assert!(wait >= full / 2 && wait <= full, "{failures}: {wait:?}");
        }
    }

    #[test]
    fn f75_a_revoked_device_waits_half_a_minute_however_often_it_was_refused() {
        let (revoked, denied) = (ClientError::Revoked(String::new()), denied());
        for failures in [1, 2, 40] {
            for (error, least, most) in [(&revoked, 25, 30), (&denied, 250, 300)] {
                let wait = delay(failures, error);
                assert!((Duration::from_secs(least)..=Duration::from_secs(most)).contains(&wait), "{wait:?}");
            }
        }
    }

    fn denied() -> ClientError {
        ClientError::Denied { code: crate::wire::ErrorCode::BootstrapClosed, message: String::new() }
    }

    #[test]
    fn the_wait_is_at_least_the_services_retry_after() {
        let busy = ClientError::Unavailable { message: String::new(), retry_after: Some(Duration::from_secs(40)) };
        assert_eq!(delay(1, &busy), Duration::from_secs(40));
    }
}
