//! The listener of administrators' connections, with TLS beyond loopback.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::service::http::tls::Tls;
use crate::transport::serve::Acceptor;

/// Accepts plain connections, or connections after their TLS handshake. Handshakes run side by side, so that a slow one
/// delays no other.
pub(super) struct AdminListener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

/// The TLS of the admin listener at `address`: beyond loopback the TLS of the clients' listener, because the admin
/// token must not cross a network in the clear; on loopback `None`, because no certificate names 127.0.0.1.
pub(crate) fn tls_at(address: SocketAddr, tls: Option<&Arc<Tls>>) -> Option<Arc<Tls>> {
    tls.filter(|_| speaks_tls_at(address)).cloned()
}

/// Whether the admin listener at `address` speaks TLS if the clients' listener does.
pub(crate) fn speaks_tls_at(address: SocketAddr) -> bool {
    !address.ip().is_loopback()
}

impl AdminListener {
    pub(super) fn new(tcp: TcpListener, tls: Option<&Arc<Tls>>) -> Self {
        // A socket that does not know its address counts as reachable from the network.
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

/// Further connections wait in the listener's queue.
const MOST_HANDSHAKES: usize = 256;
