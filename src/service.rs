//! The remote service: checks wrapper tokens, swaps in the real key, relays and meters.
//!
//! In the order of a request: [`router`] → [`pipeline`] → [`auth`] → [`model`] → [`upstream`] → [`usage`]. Tokens come
//! from [`issue`], signed by [`keyring`].

mod admin;
mod admitted;
mod assembly;
pub mod auth;
pub mod breaker;
pub mod budgets;
mod client_address;
pub mod config;
mod control;
mod endpoint;
mod gates;
mod issue;
mod json;
pub mod keyring;
mod leak;
pub mod limits;
pub mod log;
pub mod metrics;
mod model;
pub mod money;
mod pipeline;
pub mod prices;
mod protocol;
pub mod revocation;
mod router;
pub mod rules;
mod running;
mod signing_file;
mod stake;
pub mod standing;
mod start_error;
pub mod stop_signals;
pub mod store;
mod sync;
mod upstream;
pub mod usage;
mod weakness;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use self::admin::Desk;
use self::config::Listen;
use self::control::Control;
use self::endpoint::{Endpoint, Parts};
use self::keyring::{KeyReload, KeyRing};
use self::leak::Responder;
use self::pipeline::Worker;
pub use self::running::Running;
pub use self::start_error::StartError;
use self::usage::UsageSink;
use crate::clock::Clock;
use crate::transport::connect::Connector;
use crate::transport::serve::ServeLimits;
use crate::transport::shutdown::Shutdown;

/// What the service uses of the world; tests pass their own.
pub struct Ports {
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Where usage records go.
    pub usage: Arc<dyn UsageSink>,
}

/// A service that is bound and not yet serving.
pub struct Service {
    listener: std::net::TcpListener,
    listen: Listen,
    connector: Connector,
    parts: Arc<Parts>,
    keys: Arc<KeyRing>,
    reload: Option<KeyReload>,
    control: Control,
    desk: Desk,
    responder: Responder,
}

impl Service {
    /// The address it is bound to.
    ///
    /// # Panics
    /// Never: the socket is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("the listener is bound")
    }

    /// The address of the admin listener.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.control.opened.address
    }

    /// The keys that sign and verify tokens, and what is counted about them.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys)
    }

    /// Serves on its own threads until `shutdown` says otherwise. The handle ends when every worker has.
    ///
    /// # Errors
    /// [`StartError::Worker`]
    pub fn start(self, shutdown: &Shutdown) -> Result<Running, StartError> {
        let reloading = self.reload.map(KeyReload::start).transpose().map_err(StartError::Worker)?;
        let limits = ServeLimits::new(self.listen.max_connections, self.listen.request_timeout);
        let workers = (0..self.listen.workers)
            .map(|number| {
                let listener = self.listener.try_clone()?;
                let open = self.desk.standing.revocations.for_worker();
                let worker = Worker::new(self.connector.clone(), open, shutdown.clone());
                let endpoint = Endpoint::new(Arc::clone(&self.parts), worker);
                worker::start(number, listener, endpoint, limits.clone(), shutdown.clone())
            })
            .collect::<io::Result<_>>()
            .map_err(StartError::Worker)?;
        let control = self.control.start(self.desk, self.responder, shutdown.clone());
        Ok(Running { workers, reloading, control })
    }
}
