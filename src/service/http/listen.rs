//! Where and how the service listens.

use std::net::SocketAddr;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Listen {
    /// `HOST` and `PORT`.
    pub address: SocketAddr,
    /// `WORKERS`: threads that serve requests.
    pub workers: usize,
    /// `MAX_CONNECTIONS` at once.
    pub max_connections: usize,
    /// `MAX_PAYLOAD_SIZE` in bytes.
    pub max_payload: u64,
    /// `REQUEST_TIMEOUT`: the longest wait for a request's head, and for the next piece of its body.
    pub request_timeout: Duration,
    /// `CLIENT_READ_TIMEOUT`: the longest wait for a client to take the next piece of its answer.
    pub client_read_timeout: Duration,
    /// `DRAIN_TIMEOUT`: how long open requests may go on after a signal to stop.
    pub drain: Duration,
}
