//! Where local clients connect: 127.0.0.1, and a Unix socket if the app names one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::admission::Admission;
use super::config::ClientConfig;
use super::error::ClientError;
use super::loopback::{Loopback, LoopbackParts};
use super::peer::SameUser;
use super::unix_socket::UnixSocket;
use crate::transport::serve::{Acceptor, Authenticating, Listener, Plain, ServeLimits, serve};
use crate::transport::shutdown::Shutdown;

/// The listeners of one client, bound.
pub(super) struct Listeners {
    tcp: TcpListener,
    socket: Option<UnixSocket>,
    /// The address on 127.0.0.1.
    pub address: SocketAddr,
    /// How many connections each may have.
    most: usize,
    same_user: SameUser,
}

impl Listeners {
    /// Binds 127.0.0.1 only. A fixed port in use is an error: another program would get the app's requests.
    pub(super) async fn bind(config: &ClientConfig) -> Result<Self, ClientError> {
        let port = config.port;
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ClientError::PortInUse(port),
            _ => ClientError::Internal(format!("cannot listen on 127.0.0.1:{port}: {error}")),
        })?;
        let address = tcp.local_addr().map_err(|error| ClientError::Internal(error.to_string()))?;
        let socket = match &config.socket_path {
            Some(path) => Some(UnixSocket::bind(path).await?),
            None => None,
        };
        let (most, same_user) = (config.max_connections, SameUser::new(config.same_user_only));
        Ok(Self { tcp, socket, address, most, same_user })
    }

    /// Serves both until the shutdown.
    pub(super) async fn serve(self, admission: Admission, parts: LoopbackParts, shutdown: Shutdown) {
        let loopback = Loopback::new(admission.clone(), parts, shutdown.clone());
        let on_socket = loopback.with_admission(admission.with_bare_hosts());
        let tcp = serve_clients(self.tcp, self.same_user, loopback, self.most, shutdown.clone());
        let socket = async {
            if let Some(socket) = self.socket {
                serve_clients(socket, Plain, on_socket, self.most, shutdown).await;
            }
        };
        tokio::join!(tcp, socket);
    }
}

/// Serves the connections of one listener, at most `most` at once.
async fn serve_clients<L: Listener, E: Acceptor<L::Stream>>(
    listener: L,
    acceptor: E,
    loopback: Loopback,
    most: usize,
    shutdown: Shutdown,
) {
    let limits = ServeLimits::new(most, HEAD_TIMEOUT);
    let connections = Authenticating::new(listener, Arc::clone(&limits.connections), shutdown.clone());
    serve(connections, acceptor, loopback, limits, shutdown).await;
}

const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
