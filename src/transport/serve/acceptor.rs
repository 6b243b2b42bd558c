//! The acceptor: what a connection passes before HTTP is spoken on it, such as TLS. The server is generic over it, so
//! that plain HTTP pays nothing for TLS, and the addon has no TLS server.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Accepts or rejects connections.
pub trait Acceptor: Clone + Send + Sync + 'static {
    /// The connection that HTTP is spoken on.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Accepts a connection from `peer` within its own time limit. It logs the reason when it returns `None`.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = Option<Self::Stream>> + Send;
}

/// Accepts every connection, without TLS.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Acceptor for Plain {
    type Stream = TcpStream;

    fn admit(&self, stream: TcpStream, _peer: SocketAddr) -> impl Future<Output = Option<TcpStream>> + Send {
        std::future::ready(Some(stream))
    }
}
