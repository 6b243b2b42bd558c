//! The state of one worker: connections, verified tokens and open requests that no other worker shares. What workers do
//! share is read without waiting (keys, overrides, revocations) or locked for a few look-ups (limits, budgets,
//! breaker).

use std::sync::Arc;

use crate::service::govern::revocation::OpenRequests;
use crate::service::token::cache::TokenCache;
use crate::service::token::verify::Caller;
use crate::transport::connect::Connector;
use crate::transport::headers::ends_coming_down;
use crate::transport::shutdown::Shutdown;
use crate::transport::upstream::Upstream;

pub(crate) struct Worker {
    pub upstream: Upstream,
    pub token_cache: TokenCache<Arc<Caller>>,
    pub open: OpenRequests,
    pub shutdown: Shutdown,
}

impl Worker {
    pub(crate) fn new(connector: Connector, open: OpenRequests, shutdown: Shutdown) -> Self {
        let upstream = Upstream::dropping(connector, ends_coming_down);
        Self { upstream, token_cache: TokenCache::default(), open, shutdown }
    }
}
