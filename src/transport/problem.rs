//! An error that becomes an HTTP response. Both proxies answer with it.

use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use super::buffered_body::{BodyError, RefusedBodyError};
use super::reply::Reply;
use super::request_id::RequestId;
use crate::clock::ceil_secs;
use crate::wire::names::{ERROR_HEADER, REQUEST_ID_HEADER, SHOULD_RETRY_HEADER, TOKEN_EXPIRED_HEADER};
use crate::wire::{ErrorBody, ErrorCode};

/// Why a request gets no regular answer: a code for programs and a sentence for a person.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Problem {
    /// The code, which also decides the status.
    pub code: ErrorCode,
    /// One sentence for a person. It holds no secret and never names the real key's header: Claude Code reads that name
    /// as "not logged in".
    pub message: String,
    /// The value of `Retry-After` (RFC 9110 §10.2.3), in whole seconds, at least 1.
    pub retry_after: Option<Duration>,
    /// Headers in addition to those that every error has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem without `Retry-After` and further headers.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, headers: Vec::new() }
    }

    /// A refusal because of `what`, which has happened too often; the message says how long to wait.
    #[must_use]
    pub fn rate_limited(what: &str, wait: Duration) -> Self {
        let wait = told(wait);
        let message = format!("{what}; try again in {} s", wait.as_secs());
        Self::new(ErrorCode::RateLimited, message).retry_after(wait)
    }

    /// Sets the wait before another attempt, in whole seconds: rounded up, or down to a minute where a minute is meant.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(told(wait));
        self
    }

    /// Adds a header to the answer; `name` is in lower case.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// The response: the Anthropic API's envelope, `request-id`, and always an explicit `x-should-retry`.
    ///
    /// # Panics
    /// Never: the table of codes holds valid statuses, and an error body is plain JSON.
    #[must_use]
    pub fn into_response(self, request_id: &RequestId) -> Response<Reply> {
        let (status, _, retry) = self.code.answer();
        let body = ErrorBody::new(self.code, self.message, Some(request_id.to_string()));
        let body = serde_json::to_vec(&body).expect("an error body is plain JSON");
        let mut response = Response::new(Reply::from(body));
        *response.status_mut() = StatusCode::from_u16(status).expect("the table of codes holds valid statuses");
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REQUEST_ID_HEADER, request_id.header());
        headers.insert(SHOULD_RETRY_HEADER, HeaderValue::from_static(if retry { "true" } else { "false" }));
        if self.code.is_told() {
            headers.insert(ERROR_HEADER, HeaderValue::from_static(self.code.as_str()));
        }
        if self.code == ErrorCode::TokenExpired {
            headers.insert(TOKEN_EXPIRED_HEADER, HeaderValue::from_static("true"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        headers.extend(self.headers);
        response
    }
}

/// The wait that a client is told. Room for a limit of a minute appears up to a 64th of it late, and above a minute Claude
/// Code gives up at once. So the client is told a minute. If it then comes too early, it is told one second.
fn told(wait: Duration) -> Duration {
    let wait = if wait <= MINUTE + MINUTE / 64 { wait.min(MINUTE) } else { wait };
    Duration::from_secs(ceil_secs(wait).max(1))
}

impl From<RefusedBodyError> for Problem {
    fn from(refusal: RefusedBodyError) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let message = error.to_string();
        match error {
            BodyError::TooLarge(_) => Self::new(ErrorCode::PayloadTooLarge, message),
            BodyError::Stalled(_) => Self::new(ErrorCode::BodyTimeout, message),
            BodyError::Broken | BodyError::Trailers => Self::new(ErrorCode::RequestInvalid, message),
            BodyError::Refused(refusal) => refusal.into(),
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_a_limit_of_a_minute_is_told_as_a_minute_at_most() {
        for (wait_ms, seconds) in
            [(0, 1), (1, 1), (59_001, 60), (60_000, 60), (60_001, 60), (60_937, 60), (60_938, 61), (90_000, 90)]
        {
            let wait = Duration::from_millis(wait_ms);
            let problem = Problem::rate_limited("Too many", wait);
            assert_eq!(problem.retry_after, Some(Duration::from_secs(seconds)), "{wait_ms} ms");
            assert_eq!(problem.message, format!("Too many; try again in {seconds} s"));
            let other = Problem::new(ErrorCode::BudgetSpent, "spent").retry_after(wait);
            assert_eq!(other.retry_after, problem.retry_after, "{wait_ms} ms");
        }
    }
}
