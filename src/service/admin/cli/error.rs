//! The errors of `valetkey admin` and their exit codes.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use http::StatusCode;

use super::cell::escaped;
use crate::transport::tls::TlsSetupError;

#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The arguments make no sense.
    #[error("{0}")]
    Misused(String),
    #[error("there is no admin token: set ADMIN_TOKEN, or name a file with --token-file")]
    NoToken,
    #[error("cannot read the admin token from {}: {source}", path.display())]
    TokenFile { path: PathBuf, source: io::Error },
    /// The token would cross the network in the clear.
    #[error("plain http to {host} would show the admin token to the network: use https or a tunnel, or say --insecure")]
    Insecure { host: String },
    #[error("cannot connect to {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// The request was sent and no answer came, so the API may have acted.
    #[error("no answer from {url}: {reason}; what was asked may have been done")]
    Unanswered { url: String, reason: String },
    /// The API answered with an error.
    #[error("{}: {}", escaped(code), escaped(message))]
    Refused { code: String, message: String },
    /// The answer is not in the shape of the admin API.
    #[error("{url} answers {status}, but not as the admin API does: is it the admin listener's address?")]
    Strange { url: String, status: StatusCode },
    /// The certificates of `--ca-file` cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    #[error("cannot set up HTTP: {0}")]
    Setup(#[source] reqwest::Error),
    /// The system gave no event queue.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot read {what}: {source}")]
    Input { what: String, source: io::Error },
    #[error("cannot write the answer: {0}")]
    Output(#[source] io::Error),
}

impl CliError {
    /// The codes of the help page, which follow BSD's `sysexits`.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Misused(_)
            | Self::NoToken
            | Self::TokenFile { .. }
            | Self::Insecure { .. }
            | Self::Tls(TlsSetupError::Roots { .. }) => ExitCode::from(64),
            Self::Unreachable { .. } => ExitCode::from(69),
            _ => ExitCode::FAILURE,
        }
    }
}
