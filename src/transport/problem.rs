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
        let message = format!("{what}; try again in {} s", ceil_secs(wait));
        Self::new(ErrorCode::RateLimited, message).retry_after(wait)
    }

    /// Sets the wait before another attempt, rounded up.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(Duration::from_secs(ceil_secs(wait).max(1)));
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
