//! How an exchange with the upstream breaks off.

use std::error::Error;
use std::io;

use h2::Reason;

/// Why no more of a response comes.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The connection was closed before the end.
    #[error("the connection was closed too early")]
    Closed,
    /// What came is not HTTP/1.1 (RFC 9112).
    #[error("not valid HTTP: {0}")]
    Syntax(&'static str),
    /// The request's own body ended it.
    #[error("the request's body broke off")]
    Request,
    /// HTTP/2 says it in its own way.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

impl Cut {
    /// Whether something came that is no HTTP.
    #[must_use]
    pub fn is_syntax(&self) -> bool {
        match self {
            Self::Syntax(_) => true,
            Self::Http2(error) => error.is_parse(),
            Self::Io(_) | Self::Closed | Self::Request => false,
        }
    }

    /// Whether the upstream says that it has not looked at the request. Then it may be made again, whatever it is
    /// (RFC 9113 §8.7).
    pub(super) fn is_unprocessed(&self) -> bool {
        let Self::Http2(error) = self else { return false };
        let mut causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
        let Some(cause) = causes.find_map(|cause| cause.downcast_ref::<h2::Error>()) else { return false };
        let (reset, going) = (Some(Reason::REFUSED_STREAM), Some(Reason::NO_ERROR));
        cause.is_remote()
            && ((cause.is_reset() && cause.reason() == reset) || (cause.is_go_away() && cause.reason() == going))
    }
}
