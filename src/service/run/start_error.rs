//! Why the service does not start.

use std::io;
use std::net::SocketAddr;

use crate::service::enrol::signing_file::SigningFileError;
use crate::service::govern::limits::LimiterError;
use crate::service::store::database::{StartWriterError, StoreError};
use crate::service::telemetry::error_reports::ReportsError;
use crate::service::telemetry::otlp::OtlpError;
use crate::transport::tls::TlsSetupError;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// `HOST` and `PORT`, or those of the admin listener.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The file with the signing secret cannot be read or made.
    #[error(transparent)]
    SigningFile(#[from] SigningFileError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis cannot be used.
    #[error(transparent)]
    Limiter(#[from] LimiterError),
    /// Usage records cannot be written.
    #[error(transparent)]
    UsageWriter(#[from] StartWriterError),
    /// Traces and metrics cannot be sent.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// Faults cannot be reported.
    #[error(transparent)]
    Reports(#[from] ReportsError),
    /// TLS towards the upstream cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The system gave no thread or no event queue.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}
