//! The connections of a listener whose clients authenticate by their requests.
//!
//! Every connection takes a slot, so no more files are open than there are slots. When none is left, the oldest connection
//! whose client has not authenticated makes room for the next one: a program without a credential cannot keep others
//! out by connections on which it says nothing, or nothing good.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::authentication::{FIRST_REQUEST, Unauthenticated};
use super::connections::{Accepted, Connections, Place};
use super::listener::Listener;
use crate::transport::shutdown::{Phase, Shutdown};

/// The connections of a listener, until the shutdown begins. A handler tells by
/// [`ClientConnection::authenticated`](super::ClientConnection::authenticated) which of them stay.
pub struct Authenticating<L: Listener> {
    listener: L,
    slots: Arc<Semaphore>,
    unauthenticated: Arc<Unauthenticated>,
    /// Accepted, and waits for a slot. It is kept here because the future that waits may be dropped.
    next: Option<(L::Stream, SocketAddr)>,
    shutdown: Shutdown,
}

impl<L: Listener> Authenticating<L> {
    /// Accepts a connection when there is a slot for it, or when another one makes room.
    #[must_use]
    pub fn new(listener: L, slots: Arc<Semaphore>, shutdown: Shutdown) -> Self {
        Self { listener, slots, unauthenticated: Arc::default(), next: None, shutdown }
    }

    async fn accept(&mut self) -> io::Result<Accepted<L::Stream>> {
        if self.next.is_none() {
            self.next = Some(self.connection().await?);
        }
        let slot = self.slot().await?;
        let (stream, peer) = self.next.take().expect("a connection was put there above");
        let place = Place::new(slot).of_unauthenticated(self.unauthenticated.enter());
        Ok(Accepted { stream, peer, place })
    }

    async fn connection(&self) -> io::Result<(L::Stream, SocketAddr)> {
        loop {
            match self.listener.connection().await {
                // There may be no file descriptor left, which a connection that makes room gives back.
                Err(_) if self.unauthenticated.evict_oldest() => sleep(FIRST_REQUEST).await,
                accepted => return accepted,
            }
        }
    }

    async fn slot(&self) -> io::Result<OwnedSemaphorePermit> {
        let slots = || Arc::clone(&self.slots);
        if let Ok(slot) = slots().try_acquire_owned() {
            return Ok(slot);
        }
        while self.unauthenticated.evict_oldest() {
            // The client of an evicted connection may authenticate at this moment; then the next one has to go.
            if let Ok(slot) = timeout(FIRST_REQUEST, slots().acquire_owned()).await {
                return slot.map_err(io::Error::other);
            }
        }
        slots().acquire_owned().await.map_err(io::Error::other)
    }
}

impl<L: Listener> Connections for Authenticating<L> {
    type Stream = L::Stream;

    async fn next(&mut self) -> Option<io::Result<Accepted<L::Stream>>> {
        let mut shutdown = self.shutdown.clone();
        tokio::select! {
            biased;
            () = shutdown.reached(Phase::Draining) => None,
            accepted = self.accept() => Some(accepted),
        }
    }
}
