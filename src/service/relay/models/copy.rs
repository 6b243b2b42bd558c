//! The copy of one answer of the upstream.

use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, HeaderValue};
use http::{Response, StatusCode};

use crate::service::meter::usage::content_encoding;
use crate::service::relay::batches::call::Whole;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::wire::names::REQUEST_ID_HEADER;

pub(super) struct ModelCopy {
    answer: Whole,
    /// When the answer came.
    at: SystemTime,
}

impl ModelCopy {
    /// Copies an answer with models; `None` for an error, and for an answer that is encoded although it must not be.
    pub(super) fn of(answer: &Whole, at: SystemTime) -> Option<Self> {
        if answer.status() != StatusCode::OK || is_encoded(answer) {
            return None;
        }
        let mut answer = answer.clone();
        // Both belong to the one request that the upstream has answered.
        answer.head.headers.remove(REQUEST_ID_HEADER);
        answer.head.headers.remove(DATE);
        Some(Self { answer, at })
    }

    pub(super) fn answer(&self) -> &Whole {
        &self.answer
    }

    /// A clock that was set back makes the copy stale.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.at).unwrap_or(FRESH)
    }

    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        self.age(now) < FRESH
    }

    /// Whether the copy may be served while it is renewed.
    pub(super) fn is_good(&self, now: SystemTime) -> bool {
        self.age(now) < GOOD
    }

    /// The copy as an answer to the request `id`, with its age (RFC 9111 §5.1).
    pub(super) fn response(&self, now: SystemTime, id: &RequestId) -> Response<Reply> {
        let mut response = self.answer.clone().into_response(id);
        response.headers_mut().insert(AGE, HeaderValue::from(self.age(now).as_secs()));
        response
    }
}

/// Whether the body of an answer cannot be read as it is.
pub(super) fn is_encoded(answer: &Whole) -> bool {
    content_encoding(&answer.head.headers).is_some()
}

/// How long a copy is served without a look at the upstream. New models come every few weeks.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// How long a copy is served at all, unless the upstream is away.
const GOOD: Duration = Duration::from_secs(24 * 3600);
