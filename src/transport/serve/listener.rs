//! Where clients connect to a server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// The open socket of a client.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {
    /// Sets the options that HTTP is better with. Without them a stream is slower or a dead client is noticed later; both are
    /// bearable, so errors are not told.
    fn tune(&self) {}
}

/// A socket that listens.
pub trait Listener: Send + Sync {
    /// The socket of a client that has connected.
    type Stream: Socket;

    /// The next connection that is still there, with the address of its client.
    fn connection(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Socket for TcpStream {
    fn tune(&self) {
        let _ = self.set_nodelay(true);
        let _ = SockRef::from(self).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    }
}

#[cfg(unix)]
impl Socket for tokio::net::UnixStream {}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn connection(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.accept().await {
                // The client left before its connection was accepted; the listener is fine.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                accepted => return accepted,
            }
        }
    }
}

const KEEPALIVE: Duration = Duration::from_secs(60);
