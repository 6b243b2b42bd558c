//! Where and how the service listens.

use std::net::SocketAddr;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Listen {
    pub address: SocketAddr,
    /// Threads that serve requests.
    pub workers: usize,
    /// Connections of clients at the same time.
    pub max_connections: usize,
    /// In bytes, the largest that a device may send.
    pub max_payload: u64,
    /// The longest wait for a request's head, and for the next piece of its body.
    pub request_timeout: Duration,
    /// The longest wait for a client to take the next piece of its answer.
    pub client_read_timeout: Duration,
    /// How long everything goes on after a signal to stop, while the service says that it is not ready.
    pub lame_duck: Duration,
    /// How long open requests may go on after that.
    pub drain: Duration,
}
