//! How much of a body is read, and why a body cannot be sent on.

use std::time::Duration;

use super::inspector::RefusedBodyError;
use super::memory_budget::MemoryBudget;
use crate::transport::client_body::ClientBodyError;

/// How many bytes of a body are read and buffered, and how long to wait for them.
#[derive(Debug, Clone)]
pub struct BodyLimits {
    /// The buffer limit: bytes of one body kept in memory. A body that exceeds it by more than one piece is streamed.
    pub buffer_limit: usize,
    /// The most bytes a body may have.
    pub max: u64,
    /// The idle timeout: the longest pause between two pieces.
    pub idle_timeout: Duration,
    /// The memory for the buffered bodies of all requests.
    pub budget: MemoryBudget,
}

/// Why a body cannot be sent on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// The body is longer than `max` bytes.
    #[error("the body exceeds {0} bytes")]
    TooLarge(u64),
    /// No piece came within the idle timeout.
    #[error("the body stalled for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The client went away or broke the framing.
    #[error("the client did not send its whole body")]
    Broken,
    /// The trailer section is not a list of fields.
    #[error("{}", ClientBodyError::Trailers)]
    Trailers,
    /// An inspector refused the body.
    #[error(transparent)]
    Refused(#[from] RefusedBodyError),
}

impl From<ClientBodyError> for BodyError {
    fn from(error: ClientBodyError) -> Self {
        match error {
            ClientBodyError::Broken => Self::Broken,
            ClientBodyError::Trailers => Self::Trailers,
        }
    }
}
