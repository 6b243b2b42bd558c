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

    /// Whether the upstream closed the connection or it failed; a client that breaks off its upload does neither.
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Dropped(UpstreamReadError::Closed | UpstreamReadError::Io(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_lost_when_it_was_closed_or_failed_and_not_when_the_client_breaks_off() {
        let failed = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for lost in [UpstreamReadError::Closed, UpstreamReadError::Io(failed)] {
            assert!(UpstreamError::of(lost).is_lost_connection());
        }
        for other in [UpstreamReadError::Request, UpstreamReadError::Syntax("no status")] {
            assert!(!UpstreamError::of(other).is_lost_connection());
        }
        assert!(!UpstreamError::Body(BodyError::Broken).is_lost_connection());
    }
}
