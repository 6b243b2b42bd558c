//! The socket that a supervisor passes on (`LISTEN_FDS`, `sd_listen_fds(3)`).
//!
//! It outlives the process. Connections that come while the service restarts wait in its queue, so a restart refuses
//! none. Connections to a socket that nobody accepts from wait there, too, and for ever: so the service does not start
//! with sockets that it does not use.

use std::net::TcpListener;

use crate::service::run::start_error::StartError;

/// `None` if there is none for this process.
#[cfg(unix)]
pub(super) fn inherited() -> Result<Option<TcpListener>, StartError> {
    let number = std::env::var_os("LISTEN_FDS").unwrap_or_default();
    if number.is_empty() || number == "0" {
        return Ok(None);
    }
    let is_number = number.to_str().is_some_and(|number| number.parse::<u16>().is_ok());
    if !is_number {
        return Err(StartError::InheritedNumber(number));
    }
    let mut passed = listenfd::ListenFd::from_env();
    match passed.len() {
        0 => {
            tracing::warn!(
                "LISTEN_FDS is for another process, as LISTEN_PID says: the service makes a socket of its own"
            );
            Ok(None)
        }
        1 => take(&mut passed).map(Some),
        number => Err(StartError::InheritedMany(number)),
    }
}

/// Only Unix has the protocol.
#[cfg(not(unix))]
pub(super) fn inherited() -> Result<Option<TcpListener>, StartError> {
    Ok(None)
}

#[cfg(unix)]
fn take(passed: &mut listenfd::ListenFd) -> Result<TcpListener, StartError> {
    let error = match passed.take_tcp_listener(0) {
        Ok(Some(socket)) if is_listening(&socket) => return Ok(socket),
        Ok(_) => return Err(StartError::InheritedKind("does not listen")),
        Err(error) => error,
    };
    if let Ok(Some(_)) = passed.take_unix_listener(0) {
        return Err(StartError::InheritedKind("is a Unix socket"));
    }
    if let Ok(Some(_)) = passed.take_udp_socket(0) {
        return Err(StartError::InheritedKind("is a UDP socket"));
    }
    Err(StartError::Inherited(error))
}

/// A socket of one connection (`Accept=yes`) does not listen. Where the system does not tell, accepting would fail.
#[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux"))]
fn is_listening(socket: &TcpListener) -> bool {
    socket2::SockRef::from(socket).is_listener().unwrap_or(false)
}

#[cfg(all(unix, not(any(target_os = "android", target_os = "freebsd", target_os = "linux"))))]
fn is_listening(_: &TcpListener) -> bool {
    true
}
