//! TLS to the clients, ended in this process: the certificate in use, the handshake, and counters of both.
//!
//! The workers' listeners and the admin listener accept connections through it. The certificate is an immutable
//! configuration behind a pointer, and a reload swaps the pointer: open connections and running handshakes keep their
//! configuration. Session tickets belong to the configuration and end with it, so that no client stays with a replaced
//! certificate.

mod certificate;
mod certificate_files;
mod metrics;
mod reload;
#[cfg(test)]
pub(crate) mod samples;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::certificate::{Certificate, CertificateError, Part};
pub use self::certificate_files::CertificateFiles;
pub(crate) use self::reload::follow;
use crate::clock::Clock;
use crate::transport::serve::Acceptor;

#[derive(Debug)]
pub struct TlsConfig {
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`, whose changes take effect while the service runs.
    pub files: CertificateFiles,
    /// `TLS_HANDSHAKE_TIMEOUT`.
    pub handshake_timeout: Duration,
}

/// The acceptor of TLS connections.
pub(crate) struct Tls {
    current: ArcSwap<Certificate>,
    limit: Duration,
    clock: Arc<dyn Clock>,
    done: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    reloaded: AtomicU64,
    reload_failed: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TlsFigures {
    /// When the certificate in use expires.
    pub expires_at: SystemTime,
    pub done: u64,
    /// Failed handshakes: no TLS, nothing in common, a client that left or does not trust the certificate.
    pub failed: u64,
    /// Handshakes that took too long.
    pub timed_out: u64,
    /// Certificates that replaced another one.
    pub reloaded: u64,
    /// Refused reloads; the certificate in use stayed.
    pub reload_failed: u64,
}

impl Tls {
    fn new(certificate: Certificate, limit: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            current: ArcSwap::from_pointee(certificate),
            limit,
            clock,
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            reloaded: AtomicU64::new(0),
            reload_failed: AtomicU64::new(0),
        }
    }

    fn replace(&self, certificate: Certificate) {
        self.current.store(Arc::new(certificate));
        self.reloaded.fetch_add(1, Ordering::Relaxed);
    }

    fn count_failed_reload(&self) {
        self.reload_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Logs an error if the certificate has expired. The service starts all the same: it has no better certificate.
    pub(crate) fn tell_if_expired(&self, now: SystemTime) {
        if let Err(fault) = self.current.load().check_time(now) {
            tracing::error!(%fault, "Clients will refuse to connect: {fault}");
        }
    }

    pub(crate) fn figures(&self) -> TlsFigures {
        TlsFigures {
            expires_at: self.current.load().expires_at(),
            done: self.done.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            timed_out: self.timed_out.load(Ordering::Relaxed),
            reloaded: self.reloaded.load(Ordering::Relaxed),
            reload_failed: self.reload_failed.load(Ordering::Relaxed),
        }
    }
}

impl Acceptor for Arc<Tls> {
    type Stream = TlsStream<TcpStream>;

    async fn admit(&self, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(self.current.load().config()));
        match tokio::time::timeout(self.limit, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                return Some(stream);
            }
            Ok(Err(error)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%peer, %error, "A TLS handshake failed");
            }
            Err(_) => {
                self.timed_out.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%peer, limit_ms = self.limit.as_millis(), "A TLS handshake took too long");
            }
        }
        None
    }
}
