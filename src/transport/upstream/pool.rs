//! The pooled connections of one worker to its upstream.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::h1::H1;
use super::h2::H2;
use crate::lock::lock;
use crate::transport::connect::Connector;
use crate::transport::headers::DropsHeader;

pub(super) struct ConnectionPool {
    pub(super) connector: Connector,
    pub(super) drops: DropsHeader,
    /// Idle HTTP/1.1 connections, in the order in which they became idle.
    pub(super) idle: Mutex<VecDeque<Box<H1>>>,
    multiplexed: Mutex<Vec<H2>>,
}

impl ConnectionPool {
    pub(super) fn new(connector: Connector, drops: DropsHeader) -> Self {
        Self { connector, drops, idle: Mutex::default(), multiplexed: Mutex::default() }
    }

    /// Adds a connection for other requests to use. When many requests open one at once, the first is enough for all.
    pub(super) fn share(&self, h2: H2) {
        let mut shared = lock(&self.multiplexed);
        if !shared.iter().any(H2::has_room) {
            shared.push(h2);
        }
    }

    pub(super) fn usable_h2(&self) -> Option<H2> {
        let mut shared = lock(&self.multiplexed);
        shared.retain(H2::is_usable);
        shared.iter().find(|h2| h2.has_room()).cloned()
    }

    /// The most recently used idle connection that is still open. Dead ones are dropped on the way.
    pub(super) fn usable_h1(&self) -> Option<Box<H1>> {
        let mut idle = lock(&self.idle);
        while let Some(mut connection) = idle.pop_back() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Drops idle connections that the upstream has closed or that are too old to use.
    pub(super) fn drop_dead(&self) {
        lock(&self.idle).retain_mut(|connection| connection.is_usable());
        lock(&self.multiplexed).retain(H2::is_usable);
    }

    pub(super) fn give_back(&self, mut connection: Box<H1>) {
        if connection.becomes_idle() {
            let mut idle = lock(&self.idle);
            while idle.front().is_some_and(|oldest| oldest.is_stale()) {
                idle.pop_front();
            }
            if idle.len() < MAX_IDLE {
                idle.push_back(connection);
            }
        }
    }
}

/// Idle connections that one worker keeps. More than this many come from a burst and may go.
const MAX_IDLE: usize = 256;
