//! The acceptor: what a connection passes before HTTP is spoken on it, such as TLS. The server is generic over it, so
//! that plain HTTP pays nothing for TLS, and the addon has no TLS server.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use super::listener::Socket;

/// Accepts or rejects connections that come as an `S`.
pub trait Acceptor<S>: Clone + Send + Sync + 'static {
    /// The connection that HTTP is spoken on.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Accepts a connection from `peer` within its own time limit. It logs the reason when it returns `None`.
    fn admit(&self, stream: S, peer: SocketAddr) -> impl Future<Output = Option<Self::Stream>> + Send;
}

/// Accepts every connection, without TLS.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl<S: Socket> Acceptor<S> for Plain {
    type Stream = S;

    fn admit(&self, stream: S, _peer: SocketAddr) -> impl Future<Output = Option<S>> + Send {
        std::future::ready(Some(stream))
    }
}
