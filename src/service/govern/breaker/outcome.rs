//! How a request to the upstream ended, as far as its health is concerned.

use http::StatusCode;

/// How a request to the upstream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status.
    Answered(StatusCode),
    /// It did not answer in time, or fell silent.
    TimedOut,
    /// The connection could not be opened, or broke.
    Broke,
    /// The client left, or the request was never sent.
    Cancelled,
}

impl Outcome {
    /// 5xx, overload (529) included, and everything that is no answer. A 4xx is the client's fault or a limit.
    pub(super) fn is_failure(self) -> bool {
        match self {
            Self::Answered(status) => status.as_u16() >= 500,
            Self::TimedOut | Self::Broke => true,
            Self::Cancelled => false,
        }
    }

    pub(super) fn is_good(self) -> bool {
        matches!(self, Self::Answered(status) if status.as_u16() < 400)
    }
}
