//! A limit that a device has reached, as its client is told.

use super::{Limit, LimitExceededError};
use crate::transport::problem::Problem;

impl From<LimitExceededError> for Problem {
    fn from(error: LimitExceededError) -> Self {
        let what = match error.limit {
            Limit::Requests => "This device has made too many requests",
            Limit::TokensPerMinute => "This device has used too many tokens in the last minute",
            Limit::Concurrent => "This device has too many requests open",
        };
        Self::rate_limited(what, error.retry_after)
    }
}
