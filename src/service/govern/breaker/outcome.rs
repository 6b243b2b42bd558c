//! How a request to the upstream ended, as far as the upstream's health is concerned.

use http::StatusCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamOutcome {
    /// The upstream answered with this status.
    Answered(StatusCode),
    /// The upstream did not answer in time, or fell silent.
    TimedOut,
    /// The connection could not be opened, or broke.
    Broke,
    /// The client left, or the request was never sent.
    Cancelled,
}

impl UpstreamOutcome {
    /// 5xx, overload (529) included, and every end without an answer. A 4xx is the client's mistake or a limit.
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
