//! The connections of administrators, who cannot all be asked to come by a tunnel.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::service::http::tls::Tls;
use crate::transport::serve::Entrance;

/// Accepts plain connections, or those that have been through a TLS handshake. Handshakes go on side by side, so that a
/// slow one holds up nobody.
pub(super) struct AdminListener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

/// What the admin listener at `address` shows of the TLS that clients are served: beyond loopback all of it, because the
/// admin token must not cross a network in the clear; on loopback nothing, because no certificate names 127.0.0.1.
pub(crate) fn tls_at(address: SocketAddr, tls: Option<&Arc<Tls>>) -> Option<Arc<Tls>> {
    tls.filter(|_| speaks_tls_at(address)).cloned()
}

/// Whether the admin listener at `address` speaks TLS when clients are served TLS.
pub(crate) fn speaks_tls_at(address: SocketAddr) -> bool {
    !address.ip().is_loopback()
}

impl AdminListener {
    /// Accepts what comes to `tcp`.
    #[must_use]
    pub(super) fn new(tcp: TcpListener, tls: Option<&Arc<Tls>>) -> Self {
        // A socket that does not know its address is taken for one that strangers reach.
        let tls = match tcp.local_addr() {
            Ok(address) => tls_at(address, tls),
            Err(_) => tls.cloned(),
        };
        Self { tcp, tls, handshakes: JoinSet::new() }
    }
}

impl Listener for AdminListener {
    type Io = Either<TcpStream, Box<TlsStream<TcpStream>>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            tokio::select! {
                (stream, peer) = Listener::accept(&mut self.tcp), if self.handshakes.len() < MOST_HANDSHAKES => {
                    let Some(tls) = self.tls.clone() else { return (Either::Left(stream), peer) };
                    self.handshakes.spawn(async move { Some((tls.admit(stream, peer).await?, peer)) });
                }
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some((stream, peer))) = ended {
                        return (Either::Right(Box::new(stream)), peer);
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// More at once wait in the listener's queue.
const MOST_HANDSHAKES: usize = 256;
