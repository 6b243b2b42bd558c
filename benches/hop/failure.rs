//! Why the benchmark ends without a result.

use std::fmt::Display;
use std::io;

/// What went wrong, in words for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line is wrong.
    #[error("{0}\n{USAGE}")]
    Usage(String),
    /// Something must be built or installed first.
    #[error("{what} is missing: {remedy}")]
    Missing { what: String, remedy: &'static str },
    /// A program did not come up.
    #[error("{name} did not start: {reason}\n{log}")]
    Start {
        name: &'static str,
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// An answer that a client would not accept. A benchmark of wrong answers is worth nothing.
    #[error("wrong answer of {target} to {case}: {reason}")]
    WrongAnswer { target: &'static str, case: &'static str, reason: String },
    /// A load that should take a second or two did not end.
    #[error("{target} did not finish {case} in time")]
    Stuck { target: &'static str, case: &'static str },
    /// The system refused something.
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    /// Ctrl-C or a signal to end.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// Says what was tried when the system refused.
    pub fn system(what: impl Display) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what: what.to_string(), source }
    }
}

const USAGE: &str = "usage: hop [--quick] [--rounds N] [--valetkey FILE] \
    [--only small|large|burst|spaced|memory|latency|governance[,…]]";
