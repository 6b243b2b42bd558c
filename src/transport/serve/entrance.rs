//! What a connection passes before HTTP is spoken on it.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Lets connections in.
pub trait Entrance: Clone + Send + Sync + 'static {
    /// What HTTP is spoken on then.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Lets in a connection from `peer`, within a time of its own choice. Why one is not let in it tells itself.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = Option<Self::Stream>> + Send;
}

/// Lets everybody in, and HTTP is spoken on the bare connection.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Entrance for Plain {
    type Stream = TcpStream;

    fn admit(&self, stream: TcpStream, _peer: SocketAddr) -> impl Future<Output = Option<TcpStream>> + Send {
        std::future::ready(Some(stream))
    }
}
