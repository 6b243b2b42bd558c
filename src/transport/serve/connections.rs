//! Where a server's connections come from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::authentication::Authentication;
use super::listener::{Listener, Socket};
use crate::transport::shutdown::{Phase, Shutdown};

/// A source of connections.
pub trait Connections: Send {
    /// The socket of a client.
    type Stream: Socket;

    /// The next connection; `None` when no more will come.
    fn next(&mut self) -> impl Future<Output = Option<io::Result<Accepted<Self::Stream>>>> + Send;
}

/// A connection of a client.
pub struct Accepted<S> {
    /// The connection itself.
    pub stream: S,
    /// The client's address.
    pub peer: SocketAddr,
    /// Kept until the connection has ended.
    pub place: Place,
}

/// The place of a connection among those that may be open at once.
pub struct Place {
    _slot: OwnedSemaphorePermit,
    /// The open connections of the worker that has this one.
    load: Option<Arc<AtomicUsize>>,
    /// `None` where clients do not authenticate by connection.
    pub(super) authentication: Option<Authentication>,
}

impl Place {
    pub(super) fn new(slot: OwnedSemaphorePermit) -> Self {
        Self { _slot: slot, load: None, authentication: None }
    }

    /// Gives the place to a connection whose client has to authenticate in order to keep it.
    pub(super) fn of_unauthenticated(mut self, authentication: Authentication) -> Self {
        self.authentication = Some(authentication);
        self
    }

    /// Counts the connection among those of a worker.
    pub(super) fn at(mut self, load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        self.load = Some(Arc::clone(load));
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(load) = &self.load {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The connections of a listener, until the shutdown begins.
pub struct Listening {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl Listening {
    /// Accepts a connection when there is a slot for it; further ones wait in the listener's queue.
    #[must_use]
    pub fn new(listener: TcpListener, slots: Arc<Semaphore>, shutdown: Shutdown) -> Self {
        Self { listener, slots, shutdown }
    }

    async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<Accepted<TcpStream>> {
        let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.connection().await?;
        Ok(Accepted { stream, peer, place: Place::new(slot) })
    }

    pub(super) fn into_listener(self) -> (TcpListener, Arc<Semaphore>) {
        (self.listener, self.slots)
    }
}

impl Connections for Listening {
    type Stream = TcpStream;

    async fn next(&mut self) -> Option<io::Result<Accepted<TcpStream>>> {
        let Self { listener, slots, shutdown } = self;
        tokio::select! {
            biased;
            () = shutdown.reached(Phase::Draining) => None,
            accepted = Self::accept(listener, slots) => Some(accepted),
        }
    }
}
