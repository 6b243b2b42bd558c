//! A limit that a device has reached, as its client is told.

use std::time::Duration;

use super::{Limit, LimitExceededError};
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

impl From<LimitExceededError> for Problem {
    fn from(error: LimitExceededError) -> Self {
        let what = match error.limit {
            Limit::Requests => "This device has made too many requests",
            Limit::TokensPerMinute => "This device has used too many tokens in the last minute",
            Limit::Concurrent => "This device has too many requests open",
        };
        let seconds = error.retry_after.as_secs() + u64::from(error.retry_after.subsec_nanos() > 0);
        let message = format!("{what}; try again in {seconds} s");
        Self::new(ErrorCode::RateLimited, message).retry_after(Duration::from_secs(seconds))
    }
}
