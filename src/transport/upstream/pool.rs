//! The pooled connections of one worker to its upstream.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::h1::H1;
use super::h2::H2;
use super::idle_limit::IdleLimit;
use super::probe::ProbeRule;
use crate::lock::lock;
use crate::transport::connect::Connector;
use crate::transport::headers::DropsHeader;

pub(super) struct ConnectionPool {
    pub(super) connector: Connector,
    pub(super) drops: DropsHeader,
    pub(super) probe: Option<ProbeRule>,
    /// Idle HTTP/1.1 connections, in the order in which they became idle.
    pub(super) idle: Mutex<VecDeque<Box<H1>>>,
    idle_limit: Mutex<IdleLimit>,
    multiplexed: Mutex<Vec<H2>>,
}

impl ConnectionPool {
    pub(super) fn new(connector: Connector, drops: DropsHeader, probe: Option<ProbeRule>) -> Self {
        let (idle, idle_limit, multiplexed) = Default::default();
        Self { connector, drops, probe, idle, idle_limit, multiplexed }
    }

    /// Adds a connection for other requests to use. When many requests open one at once, the first is enough for all.
    pub(super) fn share(&self, h2: H2) {
        let mut shared = lock(&self.multiplexed);
        if !shared.iter().any(H2::has_room) {
            shared.push(h2);
        }
    }

    /// A connection with room for one more stream, and how long it has been idle.
    pub(super) fn usable_h2(&self) -> Option<(H2, Duration)> {
        let mut shared = lock(&self.multiplexed);
        shared.retain(H2::is_usable);
        let h2 = shared.iter().find(|h2| h2.has_room())?;
        let idle = h2.idle_for().unwrap_or_default();
        Some((h2.clone(), idle))
    }

    /// The most recently used idle connection that is still open, and how long it has been idle. Dead ones are dropped
    /// on the way.
    pub(super) fn usable_h1(&self) -> Option<(Box<H1>, Duration)> {
        let mut pooled = lock(&self.idle);
        let mut connection = pooled.pop_back()?;
        let now = Instant::now();
        let mut limit = lock(&self.idle_limit);
        loop {
            let idle = connection.idle_at(now);
            if idle > limit.at(now) {
                // The others have been idle for longer still.
                pooled.clear();
                return None;
            }
            if connection.is_open() {
                limit.open(idle);
                return Some((connection, idle));
            }
            limit.closed(idle, now);
            connection = pooled.pop_back()?;
        }
    }

    /// Learns that the upstream closed a connection on which a request was sent after `idle`.
    pub(super) fn lost(&self, idle: Duration) {
        lock(&self.idle_limit).closed(idle, Instant::now());
    }

    /// Drops idle connections that the upstream has closed or that are too old to use.
    pub(super) fn drop_dead(&self) {
        let now = Instant::now();
        let mut limit = lock(&self.idle_limit);
        let longest = limit.at(now);
        lock(&self.idle).retain_mut(|connection| {
            let idle = connection.idle_at(now);
            let is_open = connection.is_open();
            if !is_open {
                limit.closed(idle, now);
            }
            is_open && idle <= longest
        });
        lock(&self.multiplexed).retain(H2::is_usable);
    }

    /// Drops the idle connections. Streams on shared ones go on.
    pub(super) fn drop_idle(&self) {
        lock(&self.idle).clear();
        lock(&self.multiplexed).clear();
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
