//! The listening socket: inherited from a supervisor, or bound.

mod inherited;

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use self::inherited::inherited;
use super::start_error::StartError;

/// The socket that a supervisor passes on, or else a new one at `address`. An inherited one must be at `address`, because
/// the settings were judged for it; port 0 stands for any.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let Some(listener) = inherited()? else {
        return bind(address).map_err(|source| StartError::Bind { address, settings: "HOST and PORT", source });
    };
    listener.set_nonblocking(true).map_err(StartError::Inherited)?;
    let at = listener.local_addr().map_err(StartError::Inherited)?;
    if at.ip() != address.ip() || (address.port() != 0 && address.port() != at.port()) {
        return Err(StartError::InheritedElsewhere { inherited: at, address });
    }
    tracing::info!(address = %at, "The listening socket is inherited");
    Ok(listener)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    #[cfg(unix)] // elsewhere the option lets a stranger take the port over
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

const BACKLOG: i32 = 1024;
