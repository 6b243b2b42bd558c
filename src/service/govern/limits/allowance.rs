//! What is left of a device's limits, as its clients are told: in the headers of the API, with whole numbers and the time
//! (RFC 3339) at which all of the limit is there again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};

use super::decision::MINUTE;
use super::{DeviceLimits, Limit};
use crate::wire::names::{
    REQUESTS_LIMIT_HEADER, REQUESTS_REMAINING_HEADER, REQUESTS_RESET_HEADER, TOKENS_LIMIT_HEADER,
    TOKENS_REMAINING_HEADER, TOKENS_RESET_HEADER,
};

/// What is left of the limits that clients are told of; `None` for one that is not set, or set by default only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    pub requests: Option<Remainder>,
    pub tokens: Option<Remainder>,
}

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remainder {
    pub limit: u64,
    pub remaining: u64,
    /// How long it takes at most until all of the limit is there again.
    pub full_in: Duration,
}

impl Allowance {
    /// What is left to a request that this limit has refused. Other limits are not told.
    pub(crate) fn none_of(limit: Limit, limits: &DeviceLimits) -> Self {
        let none_of = |limit: u64, window| Remainder { limit, remaining: 0, full_in: window };
        let requests = limits.requests.filter(|_| limit == Limit::Requests && limits.tells_requests);
        let tokens = limits.tokens_per_minute.filter(|_| limit == Limit::TokensPerMinute);
        Self {
            requests: requests.map(|limit| none_of(u64::from(limit.get()), limits.window)),
            tokens: tokens.map(|limit| none_of(limit.get(), MINUTE)),
        }
    }

    pub(crate) fn headers(self, now: SystemTime) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let requests = self.requests.map(|left| left.headers(REQUESTS, now));
        let tokens = self.tokens.map(|left| left.headers(TOKENS, now));
        requests.into_iter().chain(tokens).flatten()
    }
}

impl Remainder {
    /// The headers of these names: limit, remaining, reset.
    fn headers(self, [limit, remaining, reset]: [&'static str; 3], now: SystemTime) -> [(HeaderName, HeaderValue); 3] {
        let full_at = humantime::format_rfc3339_seconds(now.max(UNIX_EPOCH) + self.full_in).to_string();
        let full_at = HeaderValue::try_from(full_at).expect("digits, dashes and colons make a header value");
        [
            (HeaderName::from_static(limit), HeaderValue::from(self.limit)),
            (HeaderName::from_static(remaining), HeaderValue::from(self.remaining)),
            (HeaderName::from_static(reset), full_at),
        ]
    }
}

const REQUESTS: [&str; 3] = [REQUESTS_LIMIT_HEADER, REQUESTS_REMAINING_HEADER, REQUESTS_RESET_HEADER];
const TOKENS: [&str; 3] = [TOKENS_LIMIT_HEADER, TOKENS_REMAINING_HEADER, TOKENS_RESET_HEADER];

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroU64};

    use super::*;

    const LIMITS: DeviceLimits = DeviceLimits {
        requests: NonZeroU32::new(20),
        window: Duration::from_secs(3600),
        tokens_per_minute: NonZeroU64::new(5000),
        concurrent: None,
        tells_requests: true,
    };

    fn told(allowance: Allowance) -> Vec<(String, String)> {
        let noon = UNIX_EPOCH + Duration::from_millis(1_795_608_000_500); // 2026-11-25 12:00
        let text = |(name, value): (HeaderName, HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        allowance.headers(noon).map(text).collect()
    }

    fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    #[test]
    fn what_is_left_is_told_as_the_api_tells_it() {
        let left =
            |limit, remaining, seconds| Some(Remainder { limit, remaining, full_in: Duration::from_secs(seconds) });
        let allowance = Allowance { requests: left(20, 19, 3600), tokens: left(5000, 0, 60) };
        let expected = [
            ("anthropic-ratelimit-requests-limit", "20"),
            ("anthropic-ratelimit-requests-remaining", "19"),
            ("anthropic-ratelimit-requests-reset", "2026-11-25T13:00:00Z"),
            ("anthropic-ratelimit-tokens-limit", "5000"),
            ("anthropic-ratelimit-tokens-remaining", "0"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-25T12:01:00Z"),
        ];
        assert_eq!(told(allowance), pairs(expected));
        assert!(told(Allowance::default()).is_empty());
    }

    #[test]
    fn a_refusal_tells_the_limit_that_has_refused_unless_it_is_the_default() {
        let refused = |limit, limits: &DeviceLimits| told(Allowance::none_of(limit, limits));
        let requests = refused(Limit::Requests, &LIMITS);
        assert_eq!((requests.len(), requests[1].1.as_str()), (3, "0"));
        let tokens = refused(Limit::TokensPerMinute, &LIMITS);
        assert_eq!(tokens[0], pairs([("anthropic-ratelimit-tokens-limit", "5000")])[0]);
        assert_eq!(tokens.len(), 3);
        assert!(refused(Limit::Concurrent, &LIMITS).is_empty());
        let by_default = DeviceLimits { tells_requests: false, ..LIMITS };
        assert!(refused(Limit::Requests, &by_default).is_empty());
        assert_eq!(refused(Limit::TokensPerMinute, &by_default).len(), 3);
    }
}
