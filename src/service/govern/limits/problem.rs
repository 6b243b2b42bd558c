//! A limit that a device has reached, as its client is told.

use std::time::Duration;

use super::{Limit, LimitExceededError};
use crate::transport::problem::Problem;

impl From<LimitExceededError> for Problem {
    fn from(error: LimitExceededError) -> Self {
        let what = match error.limit {
            Limit::Requests => "This device has made too many requests",
            Limit::TokensPerMinute => "This device has used too many tokens in the last minute",
            Limit::Concurrent => "This device has too many requests open",
        };
        Self::rate_limited(what, told(error.retry_after))
    }
}

/// The wait that a client is told. Room for a limit of a minute appears up to a 64th of it late, and above a minute Claude
/// Code gives up at once. So the client is told a minute. If it then comes too early, it is told one second.
fn told(wait: Duration) -> Duration {
    if wait <= MINUTE + MINUTE / 64 { wait.min(MINUTE) } else { wait }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_a_limit_of_a_minute_is_told_as_a_minute_at_most() {
        for (wait_ms, seconds) in
            [(1, 1), (59_001, 60), (60_000, 60), (60_001, 60), (60_937, 60), (60_938, 61), (90_000, 90)]
        {
            let error = LimitExceededError { limit: Limit::Requests, retry_after: Duration::from_millis(wait_ms) };
            let problem = Problem::from(error);
            assert_eq!(problem.retry_after, Some(Duration::from_secs(seconds)), "{wait_ms} ms");
            assert!(problem.message.ends_with(&format!("in {seconds} s")), "{}", problem.message);
        }
    }
}
