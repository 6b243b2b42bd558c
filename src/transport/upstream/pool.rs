//! The pooled connections of one worker to its upstream.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::h1::{H1, Look};
use super::h2::H2;
use super::idle_limit::IdleLimit;
use super::probe::ProbeRule;
use crate::lock::lock;
use crate::transport::connect::{Connection, Connector};
use crate::transport::headers::DropsHeader;
use crate::transport::route::Route;

pub(super) struct ConnectionPool {
    pub(super) connector: Connector,
    pub(super) drops: DropsHeader,
    pub(super) probe: Option<ProbeRule>,
    /// Idle HTTP/1.1 connections, in the order in which they became idle.
    pub(super) idle: Mutex<VecDeque<Box<H1>>>,
    idle_limit: Mutex<IdleLimit>,
    multiplexed: Mutex<Vec<H2>>,
    /// The way of the latest connection, where connections are proved.
    pub(super) route: Mutex<Option<Route>>,
}

impl ConnectionPool {
    pub(super) fn new(connector: Connector, drops: DropsHeader, probe: Option<ProbeRule>) -> Self {
        let (idle, idle_limit, multiplexed, route) = Default::default();
        Self { connector, drops, probe, idle, idle_limit, multiplexed, route }
    }

    /// Learns that a connection was opened.
    pub(super) fn opened(&self, connection: &Connection) {
        if self.probe.is_some() {
            *lock(&self.route) = connection.peer().and_then(Route::to);
        }
    }

    /// Adds a connection for other requests to use. When many requests open one at once, the first is enough for all.
    pub(super) fn share(&self, h2: H2) {
        let mut shared = lock(&self.multiplexed);
        if !shared.iter().any(H2::has_room) {
            shared.push(h2);
        }
    }

    /// A connection with room for one more stream: if there is one, one that need not be proved.
    pub(super) fn usable_h2(&self) -> Option<H2> {
        let mut shared = lock(&self.multiplexed);
        shared.retain(H2::is_usable);
        let mut with_room = shared.iter().filter(|h2| h2.has_room());
        let first = with_room.next()?;
        let sure = std::iter::once(first).chain(with_room).find(|h2| !self.is_suspect(h2.since_read()));
        Some(sure.unwrap_or(first).clone())
    }

    /// Whether a connection over which nothing has come for so long is proved before a request goes over it.
    pub(super) fn is_suspect(&self, since_read: Duration) -> bool {
        self.probe.is_some_and(|rule| since_read >= rule.after)
    }

    /// The most recently used idle connection that is still open, and how long it has been idle. Dead ones are dropped
    /// on the way, and count as one close.
    pub(super) fn usable_h1(&self) -> Option<(Box<H1>, Duration)> {
        let mut pooled = lock(&self.idle);
        let mut connection = pooled.pop_back()?;
        let now = Instant::now();
        let mut limit = lock(&self.idle_limit);
        let mut is_counted = false;
        loop {
            let idle = connection.idle_at(now);
            if idle > limit.at(now) {
                // The others have been idle for longer still.
                pooled.clear();
                return None;
            }
            match connection.look() {
                Look::Open => {
                    limit.open(idle);
                    return Some((connection, idle));
                }
                Look::Closed if is_counted => {}
                Look::Closed => {
                    limit.closed(idle, now);
                    is_counted = true;
                }
                Look::Unknown => {
                    pooled.push_back(connection);
                    return None;
                }
            }
            connection = pooled.pop_back()?;
        }
    }

    /// Learns that the upstream closed a connection on which a request was sent after `idle`.
    pub(super) fn lost(&self, idle: Duration) {
        lock(&self.idle_limit).closed(idle, Instant::now());
    }

    /// Drops idle connections that the upstream has closed, which count as one close, or that are too old to use.
    pub(super) fn drop_dead(&self) {
        let now = Instant::now();
        let longest = lock(&self.idle_limit).at(now);
        let mut closed = None;
        lock(&self.idle).retain_mut(|connection| {
            let idle = connection.idle_at(now);
            let is_closed = connection.look() == Look::Closed;
            if is_closed {
                // The last one has been idle for the shortest time.
                closed = Some(idle);
            }
            !is_closed && idle <= longest
        });
        if let Some(idle) = closed {
            lock(&self.idle_limit).closed(idle, now);
        }
        lock(&self.multiplexed).retain(H2::is_usable);
    }

    /// Drops the idle connections, and shared ones over which nothing has come for as long. Streams on those go on.
    pub(super) fn drop_silent(&self) {
        lock(&self.idle).clear();
        lock(&self.multiplexed).retain(|h2| !self.is_suspect(h2.since_read()));
    }

    pub(super) fn give_back(&self, mut connection: Box<H1>) {
        if connection.becomes_idle() {
            let mut idle = lock(&self.idle);
            if idle.len() < MAX_IDLE {
                idle.push_back(connection);
            }
        }
    }
}

/// Idle connections that one worker keeps. More than this many come from a burst and may go.
const MAX_IDLE: usize = 256;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::coop::poll_proceed;

    use super::*;
    use crate::transport::connect::{HttpVersion, Stream};
    use crate::transport::origin::Origin;

    /// A pool with idle connections that the upstream has closed.
    async fn with_closed(count: usize) -> ConnectionPool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = Arc::new(Origin::parse(&format!("http://{address}")).unwrap());
        let pool = ConnectionPool::new(Connector::new(origin, None, HttpVersion::Auto, UNLEARNED), |_| false, None);
        for _ in 0..count {
            let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
            drop(far.unwrap());
            let near = near.unwrap();
            near.readable().await.unwrap();
            lock(&pool.idle).push_back(H1::new(Stream::Left(near), |_| false));
        }
        pool
    }

    fn longest(pool: &ConnectionPool) -> Duration {
        lock(&pool.idle_limit).at(Instant::now())
    }

    #[tokio::test]
    async fn f17_idle_connections_that_a_restart_closes_together_make_no_pattern() {
        let asked = with_closed(5).await;
        assert!(asked.usable_h1().is_none());
        let swept = with_closed(5).await;
        swept.drop_dead();
        for pool in [asked, swept] {
            assert_eq!((lock(&pool.idle).len(), longest(&pool)), (0, UNLEARNED));
        }
    }

    #[tokio::test]
    async fn f17_a_task_that_has_spent_its_budget_takes_no_connection_for_closed() {
        let pool = with_closed(5).await;
        poll_fn(|cx| {
            while let Poll::Ready(step) = poll_proceed(cx) {
                step.made_progress();
            }
            assert!(pool.usable_h1().is_none());
            pool.drop_dead();
            Poll::Ready(())
        })
        .await;
        assert_eq!((lock(&pool.idle).len(), longest(&pool)), (5, UNLEARNED));
    }

    /// The limit on idle time while no close is known.
    const UNLEARNED: Duration = Duration::from_secs(90);
}
