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
    /// The HTTP/2 connection or stream failed. The words that the upstream may put into a `GOAWAY` (RFC 9113 §6.8) are
    /// left out: they are as little to be trusted in a log as a body.
    #[error("HTTP/2 failed: {}", http2_fault(.0))]
    Http2(hyper::Error),
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
        let Some(cause) = h2_error(error) else { return false };
        let (reset, going) = (Some(Reason::REFUSED_STREAM), Some(Reason::NO_ERROR));
        cause.is_remote()
            && ((cause.is_reset() && cause.reason() == reset) || (cause.is_go_away() && cause.reason() == going))
    }
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    cause(error)
}

fn cause<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    let mut causes = std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.find_map(|cause| cause.downcast_ref::<E>())
}

fn http2_fault(error: &hyper::Error) -> String {
    // hyper takes a failure of the connection out of the error of h2.
    if let Some(io) = cause::<io::Error>(error) {
        return io.to_string();
    }
    h2_error(error).and_then(h2::Error::reason).map_or_else(|| error.to_string(), |reason| reason.to_string())
}
