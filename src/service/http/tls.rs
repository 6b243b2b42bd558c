//! TLS to the clients, ended in this process: the certificate in use, the handshake, and counters of both.
//!
//! The workers' listeners and the admin listener accept connections through it. The certificate is an immutable
//! configuration behind a pointer, and a reload swaps the pointer: open connections and running handshakes keep their
//! configuration. Session tickets belong to the configuration and end with it, so that no client stays with a replaced
//! certificate.

mod certificate;
mod certificate_files;
mod chain;
mod reload;
#[cfg(test)]
pub(crate) mod samples;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::certificate::{Certificate, CertificateError, Part};
pub use self::certificate_files::CertificateFiles;
pub use self::chain::Place;
pub(crate) use self::reload::follow;
use crate::clock::Clock;
use crate::lock::lock;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};
use crate::transport::serve::Acceptor;

#[derive(Debug)]
pub struct TlsConfig {
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`, whose changes take effect while the service runs.
    pub files: CertificateFiles,
    pub handshake_timeout: Duration,
}

/// The acceptor of TLS connections.
pub(crate) struct Tls {
    current: ArcSwap<Certificate>,
    limit: Duration,
    clock: Arc<dyn Clock>,
    counts: Mutex<TlsCounts>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TlsCounts {
    pub done: u64,
    /// Failed handshakes: no TLS, nothing in common, a client that left or does not trust the certificate.
    pub failed: u64,
    /// Handshakes that took too long.
    pub timed_out: u64,
    /// Certificates that replaced another one.
    pub reloaded: u64,
    /// Refused reloads; the certificate in use stayed.
    pub reload_failed: u64,
    /// Whether the last reload was refused: the files are still not valid.
    pub refused_now: bool,
}

impl Tls {
    fn new(certificate: Certificate, limit: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { current: ArcSwap::from_pointee(certificate), limit, clock, counts: Mutex::default() }
    }

    fn replace(&self, certificate: Certificate) {
        self.current.store(Arc::new(certificate));
        let mut counts = self.counts();
        counts.reloaded += 1;
        counts.refused_now = false;
    }

    fn count_refusal(&self) {
        let mut counts = self.counts();
        counts.reload_failed += 1;
        counts.refused_now = true;
    }

    /// Logs an error if the certificate has expired or is not valid yet. The service starts all the same: it has no
    /// better certificate.
    pub(crate) fn tell_if_expired(&self, now: SystemTime) {
        if let Err(fault) = self.current.load().check_time(now) {
            tracing::error!(%fault, "Clients will refuse to connect: {fault}");
        }
    }

    /// Locked for a moment, once for each connection.
    fn counts(&self) -> MutexGuard<'_, TlsCounts> {
        lock(&self.counts)
    }

    /// The seconds until the first certificate of the chain to expire does; negative once it has.
    fn seconds_left(&self) -> i64 {
        let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        match self.current.load().expires_at.duration_since(self.clock.now()) {
            Ok(left) => whole(left),
            Err(over) => -whole(over.duration()),
        }
    }
}

impl MetricSource for Tls {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let counts = *self.counts();
        let handshakes = [("done", counts.done), ("failed", counts.failed), ("timed_out", counts.timed_out)];
        page.counters("tls_handshakes", "TLS handshakes by how they ended", "outcome", handshakes)?;
        let reloads = [("taken", counts.reloaded), ("refused", counts.reload_failed)];
        let help = "Attempts to take over a changed certificate";
        page.counters("tls_certificate_reloads", help, "outcome", reloads)?;
        let help = "1 while the files of the certificate cannot be used, so that the one read before stays in use";
        page.gauge("tls_certificate_refused", help, u32::from(counts.refused_now))?;
        let left = ConstGauge::new(self.seconds_left());
        page.seconds(
            "tls_certificate_expires_in",
            "Until the certificate in use, or one that vouches for it, expires",
            &left,
        )
    }
}

impl Acceptor<TcpStream> for Arc<Tls> {
    type Stream = TlsStream<TcpStream>;

    async fn admit(&self, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.load().config));
        match tokio::time::timeout(self.limit, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.counts().done += 1;
                return Some(stream);
            }
            Ok(Err(error)) => {
                self.counts().failed += 1;
                tracing::debug!(%peer, %error, "A TLS handshake failed");
            }
            Err(_) => {
                self.counts().timed_out += 1;
                tracing::debug!(%peer, limit_ms = self.limit.as_millis(), "A TLS handshake took too long");
            }
        }
        None
    }
}
