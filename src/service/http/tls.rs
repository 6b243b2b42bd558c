//! TLS towards clients, ended in this process: the certificate in use, the handshake, and what is counted about both.
//!
//! The certificate is an immutable configuration behind a pointer. A reload swaps the pointer: connections that are open
//! and handshakes that have begun keep what they began with. Whatever clients could resume belongs to the configuration
//! and ends with it, so that nobody stays with a certificate that was replaced.

mod certificate;
mod certificate_files;
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

pub use self::certificate::{Certificate, CertificateFault, Part};
pub use self::certificate_files::CertificateFiles;
pub(crate) use self::reload::follow;
use crate::transport::serve::Entrance;

/// TLS towards clients.
#[derive(Debug)]
pub struct TlsConfig {
    /// `TLS_CERT_FILE` and `TLS_KEY_FILE`, whose changes take effect while the service runs.
    pub files: CertificateFiles,
    /// `TLS_HANDSHAKE_TIMEOUT`.
    pub handshake_timeout: Duration,
}

/// Lets in who speaks TLS.
pub(crate) struct Tls {
    current: ArcSwap<Certificate>,
    /// The longest handshake.
    limit: Duration,
    done: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    reloaded: AtomicU64,
    reload_failed: AtomicU64,
}

/// What was counted, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TlsFigures {
    /// Until when the certificate in use is good.
    pub expires_at: SystemTime,
    /// Handshakes that were completed.
    pub done: u64,
    /// Handshakes that failed: no TLS, nothing in common, a client that does not trust the certificate or left.
    pub failed: u64,
    /// Handshakes that took too long.
    pub timed_out: u64,
    /// Certificates that took the place of another.
    pub reloaded: u64,
    /// Reloads that were refused; the certificate in use stayed.
    pub reload_failed: u64,
}

impl Tls {
    /// Shows clients `certificate` and gives each handshake `limit`.
    #[must_use]
    fn new(certificate: Certificate, limit: Duration) -> Self {
        Self {
            current: ArcSwap::from_pointee(certificate),
            limit,
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            reloaded: AtomicU64::new(0),
            reload_failed: AtomicU64::new(0),
        }
    }

    /// Shows `certificate` from now on.
    fn replace(&self, certificate: Certificate) {
        self.current.store(Arc::new(certificate));
        self.reloaded.fetch_add(1, Ordering::Relaxed);
    }

    fn count_failed_reload(&self) {
        self.reload_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Says so if no client can trust the certificate any more. At the start that is no reason to stop: there is no better
    /// one to stay with.
    pub(crate) fn tell_if_expired(&self, now: SystemTime) {
        if let Err(fault) = self.current.load().check_time(now) {
            tracing::error!(%fault, "Clients will refuse to connect: {fault}");
        }
    }

    /// The certificate in use and what was counted.
    #[must_use]
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

impl Entrance for Arc<Tls> {
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
