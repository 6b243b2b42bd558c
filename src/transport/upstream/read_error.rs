//! How reading an upstream's response fails.

use std::error::Error;
use std::io;

use h2::Reason;

/// Why a response ends early, or does not come.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamReadError {
    /// Reading or writing the connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The upstream closed the connection before the end (RFC 9112 §8).
    #[error("the connection was closed too early")]
    Closed,
    /// The answer is not valid HTTP/1.1 (RFC 9112).
    #[error("not valid HTTP: {0}")]
    Syntax(&'static str),
    /// The request's own body broke off and ended the exchange.
    #[error("the request's body broke off")]
    Request,
    /// The HTTP/2 connection or stream failed.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

impl UpstreamReadError {
    /// Whether the upstream's bytes are not valid HTTP.
    #[must_use]
    pub fn is_syntax(&self) -> bool {
        match self {
            Self::Syntax(_) => true,
            Self::Http2(error) => error.is_parse(),
            Self::Io(_) | Self::Closed | Self::Request => false,
        }
    }

    /// Whether the upstream states that it did not process the request, which may then be retried (RFC 9113 §8.7).
    pub(super) fn is_unprocessed(&self) -> bool {
        let Self::Http2(error) = self else { return false };
        let mut causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
        let Some(cause) = causes.find_map(|cause| cause.downcast_ref::<h2::Error>()) else { return false };
        let (reset, going) = (Some(Reason::REFUSED_STREAM), Some(Reason::NO_ERROR));
        cause.is_remote()
            && ((cause.is_reset() && cause.reason() == reset) || (cause.is_go_away() && cause.reason() == going))
    }
}
