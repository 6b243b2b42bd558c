//! Why a request got no response.

use std::time::Duration;

use http::Request;

use super::read_error::UpstreamReadError;
use crate::transport::buffered_body::{BodyError, BufferedBody};
use crate::transport::connect::ConnectError;

/// A request that was not processed, given back so that it can go over another connection.
pub(super) type Unsent = Request<BufferedBody>;

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection could be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No response head within the limit.
    #[error("no answer after {} ms", .0.as_millis())]
    FirstByte(Duration),
    /// The request's own body broke off or was refused.
    #[error(transparent)]
    Body(BodyError),
    /// The connection ended before a response came.
    #[error("the connection ended before an answer came")]
    Dropped(#[source] UpstreamReadError),
    /// The answer is not HTTP, or its end is ambiguous: another reader could see a longer or shorter answer.
    #[error("the answer is not valid HTTP")]
    Invalid(#[source] UpstreamReadError),
}

impl UpstreamError {
    pub(super) fn of(cut: UpstreamReadError) -> Self {
        if cut.is_syntax() { Self::Invalid(cut) } else { Self::Dropped(cut) }
    }
}
