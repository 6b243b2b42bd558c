//! The wrapper token in use, and when it is due and expired.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use crate::secret::Secret;
use crate::transport::origin::Origin;
use crate::wire::names::TOKEN_PREFIX;

/// A wrapper token and its lifetime by this machine's clock. It never changes; a refresh makes a new one.
#[derive(Debug, Clone)]
pub struct WrapperToken {
    /// The bare JWT, without the prefix.
    pub token: Secret,
    /// When the token arrived, by this machine's clock.
    pub received_at: SystemTime,
    /// How long the token lives from then. The service's absolute times are unused: this machine's clock may be wrong.
    pub lifetime: Duration,
    /// After how much of its lifetime the service wants the token to be refreshed; zero if the service does not say.
    pub refresh_in: Duration,
    /// Where requests with this token go at the endpoint with `bootstrap_url`.
    pub origin: Arc<Origin>,
    /// The endpoint that the token is stored with: one that the app names.
    pub bootstrap_url: String,
    /// The regions that the service announced with the token.
    pub regions: Vec<Arc<Origin>>,
}

/// A new token, and what its arrival tells about this machine's clock.
#[derive(Debug)]
pub struct Issued {
    /// The token, not in use yet.
    pub token: WrapperToken,
    /// Milliseconds by which this machine's clock is ahead of the service's (negative: behind); `None` if unknown.
    pub clock_skew_ms: Option<i64>,
}

/// Whether a token can be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Usable, and not due yet.
    Fresh,
    /// Usable, but a new one should be fetched.
    Due,
    /// Not usable any more.
    Expired,
}

impl WrapperToken {
    /// The life that is left. Setting the clock back never makes it longer than the lifetime.
    #[must_use]
    pub fn remaining(&self, now: SystemTime) -> Duration {
        match now.duration_since(self.received_at) {
            Ok(age) => self.lifetime.saturating_sub(age),
            Err(_) => self.lifetime,
        }
    }

    /// Whether the token cannot be used any more. It expires a little early, because a request takes time to arrive.
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.remaining(now) <= MARGIN.min(self.lifetime / 10)
    }

    /// Whether the token can be used at `now`, and whether it is due.
    #[must_use]
    pub fn freshness(&self, now: SystemTime, refresh_before: Duration) -> Freshness {
        if self.is_expired(now) {
            Freshness::Expired
        } else if self.remaining(now) <= self.due_at_remaining(refresh_before) {
            Freshness::Due
        } else {
            Freshness::Fresh
        }
    }

    /// When the token is due for a refresh, by this machine's clock.
    #[must_use]
    pub fn due_at(&self, refresh_before: Duration) -> SystemTime {
        self.received_at + self.lifetime.saturating_sub(self.due_at_remaining(refresh_before))
    }

    /// When the token expires, by this machine's clock.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.received_at + self.lifetime
    }

    /// The value of `Authorization`, marked so that `Debug` does not show it.
    ///
    /// # Panics
    /// Never: a token is checked to be printable when it arrives.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let text = format!("Bearer {TOKEN_PREFIX}{}", self.token.expose());
        let mut value = HeaderValue::try_from(text).expect("checked when it arrived");
        value.set_sensitive(true);
        value
    }

    /// The life left when a refresh is due: the app's limit or half the lifetime, whichever is less; more if the
    /// service wants an earlier refresh. Without the half, a token that lives shorter than the limit is due at once.
    fn due_at_remaining(&self, refresh_before: Duration) -> Duration {
        let limit = refresh_before.min(self.lifetime / 2);
        if self.refresh_in.is_zero() {
            return limit;
        }
        // A service that asks for a refresh every second is mistaken.
        let refresh_in = self.refresh_in.max(LEAST_REFRESH_IN.min(self.lifetime / 2));
        limit.max(self.lifetime.saturating_sub(refresh_in))
    }
}

/// Longer lifetimes, from a service or from the keychain, are cut to this: times far beyond it overflow.
pub const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The shortest time between two refreshes that a service can ask for.
const LEAST_REFRESH_IN: Duration = Duration::from_secs(30);

/// A token with less life left is not sent any more.
const MARGIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn token(lifetime: Duration, refresh_in: Duration) -> WrapperToken {
        WrapperToken {
            token: Secret::new("a.b.c"),
            received_at: SystemTime::UNIX_EPOCH + 1000 * HOUR,
            lifetime,
            refresh_in,
            origin: Arc::new(Origin::parse("http://127.0.0.1:1").unwrap()),
            bootstrap_url: String::new(),
            regions: Vec::new(),
        }
    }

    #[test]
    fn a_day_long_token_is_due_an_hour_before_its_end_and_expires_a_minute_before() {
        let token = token(24 * HOUR, Duration::ZERO);
        let at = |age| token.freshness(token.received_at + age, HOUR);
        let second = Duration::from_secs(1);
        assert_eq!(at((23 * HOUR).checked_sub(second).unwrap()), Freshness::Fresh);
        assert_eq!(at(23 * HOUR), Freshness::Due);
        assert_eq!(at((24 * HOUR).checked_sub(61 * second).unwrap()), Freshness::Due);
        assert_eq!(at((24 * HOUR).checked_sub(60 * second).unwrap()), Freshness::Expired);
        assert_eq!(token.due_at(HOUR), token.received_at + 23 * HOUR);
    }

    #[test]
    fn a_short_token_is_due_at_half_its_life_and_not_at_once() {
        for lifetime in [HOUR, Duration::from_secs(30), Duration::from_secs(2)] {
            let token = token(lifetime, Duration::ZERO);
            assert_eq!(token.freshness(token.received_at, HOUR), Freshness::Fresh, "{lifetime:?}");
            assert_eq!(token.due_at(HOUR), token.received_at + lifetime / 2);
        }
    }

    #[test]
    fn the_service_may_ask_for_an_earlier_refresh_and_not_for_a_later_one() {
        assert_eq!(token(24 * HOUR, HOUR).due_at(HOUR), token(24 * HOUR, HOUR).received_at + HOUR);
        assert_eq!(token(24 * HOUR, 48 * HOUR).due_at(HOUR), token(24 * HOUR, HOUR).received_at + 23 * HOUR);
    }

    #[test]
    fn f41_a_clock_that_jumps_back_does_not_lengthen_a_life() {
        let token = token(2 * HOUR, Duration::ZERO);
        assert_eq!(token.remaining(token.received_at - 24 * HOUR), 2 * HOUR);
        assert_eq!(token.freshness(token.received_at + 24 * HOUR, HOUR), Freshness::Expired);
    }
}
