//! Why `valetkey admin` does not do what it was asked, and the exit code that says so.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use http::StatusCode;

use super::cell::escaped;

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command says something that makes no sense.
    #[error("{0}")]
    Misused(String),
    /// There is no token to show.
    #[error("there is no admin token: set ADMIN_TOKEN, or name a file with --token-file")]
    NoToken,
    /// The file with the token cannot be read.
    #[error("cannot read the admin token from {}: {source}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The token would go over the network for everybody to read.
    #[error("plain http to {host} would show the admin token to the network: use https or a tunnel, or say --insecure")]
    Insecure {
        /// Where it would go.
        host: String,
    },
    /// Nobody listens there.
    #[error("cannot connect to {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The call was made and no answer came. What was asked may have been done.
    #[error("no answer from {url}: {reason}; what was asked may have been done")]
    Unanswered {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The API did not do it.
    #[error("{}: {}", escaped(code), escaped(message))]
    Refused {
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// Something else than the admin API answers.
    #[error("{url} answers {status}, but not as the admin API does: is it the admin listener's address?")]
    Strange {
        /// Where.
        url: String,
        /// With what.
        status: StatusCode,
    },
    /// The calls cannot be prepared.
    #[error("cannot set up HTTP: {0}")]
    Setup(#[source] reqwest::Error),
    /// The system gave no event queue.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
    /// What was asked for cannot be read.
    #[error("cannot read {what}: {source}")]
    Input {
        /// What.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The answer cannot be written.
    #[error("cannot write the answer: {0}")]
    Output(#[source] io::Error),
}

impl Failure {
    /// As the help page says, which is as BSD's `sysexits` does.
    #[must_use]
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Misused(_) | Self::NoToken | Self::TokenFile { .. } | Self::Insecure { .. } => ExitCode::from(64),
            Self::Unreachable { .. } => ExitCode::from(69),
            _ => ExitCode::FAILURE,
        }
    }
}
