//! Systems without Unix sockets.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpStream;

use crate::client::error::ClientError;
use crate::transport::serve::Listener;

/// There is none.
pub(in crate::client) enum UnixSocket {}

impl UnixSocket {
    pub(in crate::client) fn bind(_path: &Path) -> Ready<Result<Self, ClientError>> {
        ready(Err(ClientError::Config("socketPath is not offered on this system".into())))
    }
}

impl Listener for UnixSocket {
    type Stream = TcpStream;

    async fn connection(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match *self {}
    }
}
