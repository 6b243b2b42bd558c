//! Whose a connection to the loopback proxy is.

use std::net::SocketAddr;

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux tells"))]
pub(super) enum Owner {
    /// This user's.
    Own,
    /// Another user's, or nobody's any more: its program has left.
    Other,
    /// The operating system does not tell.
    Unknown,
}

/// Asks the operating system whose connections are.
pub(super) trait PeerCheck: Send + Sync {
    /// Whose the connection from `peer` to `own` is, both on this machine. It must not wait.
    fn owner(&self, peer: SocketAddr, own: SocketAddr) -> Owner;
}
