//! What a server and its handler share about one connection of a client.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use super::connections::Place;
use crate::transport::connection_end::ConnectionEnd;

/// An open connection, as long as it is served.
pub struct ClientConnection {
    /// The client's address.
    pub peer: SocketAddr,
    pub(super) end: Arc<ConnectionEnd>,
    place: Place,
}

impl ClientConnection {
    pub(super) fn new(peer: SocketAddr, place: Place) -> Self {
        Self { peer, end: Arc::default(), place }
    }

    /// Notes that the client has authenticated: its connection does not have to make room for others any more. On a listener
    /// whose clients do not authenticate by connection, this does nothing.
    pub fn authenticated(&self) {
        if let Some(authentication) = &self.place.authentication {
            authentication.succeeded();
        }
    }

    /// Waits until the connection has to make room for another one.
    pub(super) async fn evicted(&self) {
        match &self.place.authentication {
            Some(authentication) => authentication.evicted().await,
            None => pending().await,
        }
    }
}
