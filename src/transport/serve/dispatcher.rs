//! Gives each connection to the worker that has the fewest.
//!
//! Workers that accept from one socket by themselves take what they can get: after a burst one of them may have all
//! connections and the others none, and connections live long.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connections::{Accepted, Connections, Listening, Place};
use crate::transport::shutdown::Shutdown;

/// Accepts the connections of all workers.
pub struct Dispatcher {
    slots: Arc<Semaphore>,
    workers: Vec<Worker>,
    /// The worker that is asked first, so that of equal ones each has its turn.
    first: usize,
}

struct Worker {
    connections: UnboundedSender<Passed>,
    load: Arc<AtomicUsize>,
}

/// A connection between two event loops.
struct Passed {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    place: Place,
}

/// The connections of one worker.
pub struct Dispatched(UnboundedReceiver<Passed>);

impl Dispatcher {
    /// A dispatcher for `count` workers, of which each gets one [`Dispatched`]. At most as many connections are open at
    /// once as there are `slots`.
    #[must_use]
    pub fn new(slots: Arc<Semaphore>, count: usize) -> (Self, Vec<Dispatched>) {
        let pair = |_| {
            let (connections, passed) = unbounded_channel();
            (Worker { connections, load: Arc::default() }, Dispatched(passed))
        };
        let (workers, connections) = (0..count).map(pair).unzip();
        (Self { slots, workers, first: 0 }, connections)
    }

    /// Accepts from `listener` until the shutdown begins, and then what is left in its queue: the clients of those
    /// connections believe that they are open, and closing the listener would reset them. Ends early if all workers have
    /// ended.
    pub async fn run(mut self, listener: TcpListener, shutdown: Shutdown) {
        let mut listening = Listening::new(listener, Arc::clone(&self.slots), shutdown);
        while let Some(accepted) = listening.next().await {
            if let Err(error) = accepted.and_then(|accepted| self.pass(accepted)) {
                tracing::warn!(%error, "Cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            if self.workers.is_empty() {
                tracing::error!("All workers have ended, and no more connections are accepted");
                return;
            }
        }
        if let Err(error) = self.empty(listening) {
            tracing::warn!(%error, "Cannot accept the last connections");
        }
    }

    fn pass(&mut self, accepted: Accepted<TcpStream>) -> io::Result<()> {
        let Accepted { stream, peer, place } = accepted;
        self.give(stream.into_std()?, peer, place);
        Ok(())
    }

    /// Gives a connection to a worker. One that has ended has no connections, would get all new ones, and takes none: it
    /// is removed. The connection is closed if there is no other.
    fn give(&mut self, mut stream: std::net::TcpStream, peer: SocketAddr, mut place: Place) {
        while let Some(fewest) = self.fewest() {
            self.first = (fewest + 1) % self.workers.len();
            let worker = &self.workers[fewest];
            let passed = Passed { stream, peer, place: place.at(&worker.load) };
            let Err(SendError(refused)) = worker.connections.send(passed) else { return };
            tracing::error!("A worker has ended, and its share of the connections goes to the others");
            self.workers.remove(fewest);
            (stream, place) = (refused.stream, refused.place);
        }
    }

    fn fewest(&self) -> Option<usize> {
        let count = self.workers.len();
        let in_turn = (0..count).map(|step| (self.first + step) % count);
        in_turn.min_by_key(|at| self.workers[*at].load.load(Ordering::Relaxed))
    }

    fn empty(&mut self, listening: Listening) -> io::Result<()> {
        let (listener, slots) = listening.into_listener();
        let listener = listener.into_std()?;
        while let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    self.give(stream, peer, Place::new(slot));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Connections for Dispatched {
    type Stream = TcpStream;

    async fn next(&mut self) -> Option<io::Result<Accepted<TcpStream>>> {
        let Passed { stream, peer, place } = self.0.recv().await?;
        Some(TcpStream::from_std(stream).map(|stream| Accepted { stream, peer, place }))
    }
}

/// Accepting fails when file descriptors run out; trying again at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::shutdown::{Phase, channel};

    #[tokio::test]
    async fn each_connection_goes_to_the_worker_with_the_fewest() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (dispatcher, mut workers) = Dispatcher::new(Arc::new(Semaphore::new(100)), 4);
        let (trigger, shutdown) = channel();
        let running = tokio::spawn(dispatcher.run(listener, shutdown));
        let mut clients = Vec::new();
        for _ in 0..64 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut held = Vec::new();
        for worker in &mut workers {
            let mut own = Vec::new();
            for _ in 0..16 {
                own.push(worker.next().await.unwrap().unwrap());
            }
            held.push(own);
        }
        // Two workers lose connections, and get the next ones.
        held[1].truncate(10);
        held[3].truncate(14);
        for _ in 0..8 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        for (worker, more) in [(1, 6), (3, 2)] {
            for _ in 0..more {
                held[worker].push(workers[worker].next().await.unwrap().unwrap());
            }
        }
        trigger.advance(Phase::Draining);
        running.await.unwrap();
        for worker in &mut workers {
            assert!(worker.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn f20_connections_in_the_queue_are_served_when_the_shutdown_begins() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (dispatcher, mut workers) = Dispatcher::new(Arc::new(Semaphore::new(100)), 1);
        let (trigger, shutdown) = channel();
        trigger.advance(Phase::Draining);
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(std::net::TcpStream::connect(address).unwrap());
        }
        dispatcher.run(listener, shutdown).await;
        for _ in 0..10 {
            workers[0].next().await.unwrap().unwrap();
        }
        assert!(workers[0].next().await.is_none());
    }

    #[tokio::test]
    async fn a_worker_that_has_ended_gets_no_connections_and_without_workers_none_is_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (dispatcher, mut workers) = Dispatcher::new(Arc::new(Semaphore::new(100)), 3);
        let (_trigger, shutdown) = channel();
        let running = tokio::spawn(dispatcher.run(listener, shutdown));
        let mut left = workers.pop().unwrap();
        drop(workers);
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(left.next().await.unwrap().unwrap());
        }
        drop(left);
        clients.push(TcpStream::connect(address).await.unwrap());
        running.await.unwrap();
    }
}
