//! The errors that keep the service from starting.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;

use crate::service::enrol::signing_file::SigningFileError;
use crate::service::govern::limits::LimiterError;
use crate::service::relay::key_source::KeySourceError;
use crate::service::store::database::{StartWriterError, StoreError};
use crate::service::telemetry::error_reports::ReportsError;
use crate::service::telemetry::otlp::OtlpError;
use crate::transport::tls::TlsSetupError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not an address of this machine.
    #[error("cannot listen on {address}, as {settings} say: {source}{}", in_use(source))]
    Bind {
        address: SocketAddr,
        /// `HOST` and `PORT`, or those of the admin listener or of that for metrics.
        settings: &'static str,
        source: io::Error,
    },
    #[error("LISTEN_FDS is {0:?}, which is no number of sockets")]
    InheritedNumber(OsString),
    /// Connections to the others would never be accepted.
    #[error("LISTEN_FDS passes on {0} sockets, and the service listens on one: pass on that of HOST and PORT alone")]
    InheritedMany(usize),
    /// What is passed on is a socket, and clients cannot connect to it by TCP.
    #[error("the socket that LISTEN_FDS passes on {0}, and the service needs a TCP socket that listens")]
    InheritedKind(&'static str),
    /// `LISTEN_FDS` passes on something else than a socket, or the system refuses to use it.
    #[error("the socket that LISTEN_FDS passes on cannot be used: {0}")]
    Inherited(#[source] io::Error),
    /// The settings were judged for another address.
    #[error("LISTEN_FDS passes on a socket at {inherited}, and HOST and PORT say {address}")]
    InheritedElsewhere { inherited: SocketAddr, address: SocketAddr },
    #[error(transparent)]
    SigningFile(#[from] SigningFileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Limiter(#[from] LimiterError),
    /// The writer of usage records cannot start.
    #[error(transparent)]
    UsageWriter(#[from] StartWriterError),
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// Sentry cannot be set up.
    #[error(transparent)]
    Reports(#[from] ReportsError),
    /// TLS to the upstream cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The command gives no real key.
    #[error(transparent)]
    Key(#[from] KeySourceError),
    /// The system gave no thread or no event queue.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}

/// What else is to be said of a port that is taken.
fn in_use(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::AddrInUse { "; another program, maybe another valetkey, uses it" } else { "" }
}
