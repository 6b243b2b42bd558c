//! The remote service: checks wrapper tokens, swaps in the real key, relays and meters.
//!
//! In the order of a request: [`router`] → [`pipeline`] → [`auth`] → [`model`] → [`upstream`] → [`usage`]. Tokens come
//! from [`issue`], signed by [`keyring`].

pub mod admin;
pub mod admin_client;
mod admitted;
mod assembly;
pub mod auth;
pub mod bootstrap_guard;
pub mod breaker;
mod budget_gate;
pub mod budgets;
pub mod check;
mod client_address;
pub mod config;
mod config_reload;
pub mod control;
pub mod device_keys;
pub mod doctor;
mod endpoint;
mod enquiries;
pub mod error_reports;
mod gates;
mod gathering;
pub mod issue;
mod json;
pub mod keyring;
pub mod leak;
pub mod limits;
pub mod listen;
mod live;
pub mod log;
pub mod metrics;
mod model;
pub(crate) mod model_pattern;
pub mod money;
mod object_of;
pub mod objects;
pub mod otlp;
pub mod panics;
mod pipeline;
pub mod prices;
mod protocol;
mod relay_route;
mod reload;
pub mod retention;
pub mod revocation;
mod router;
pub mod rules;
mod running;
mod side_client;
mod signing_file;
mod spending;
mod stake;
pub mod standing;
mod start_error;
pub mod stop_signals;
pub mod store;
mod sync;
mod text_file;
pub mod tls;
pub mod trace_context;
pub mod upstream;
pub mod usage;
mod weakness;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use self::admin::{Desk, Responder};
use self::config_reload::ConfigReload;
use self::control::Control;
use self::endpoint::{Endpoint, Parts};
use self::error_reports::ErrorReports;
use self::keyring::KeyRing;
use self::listen::Listen;
use self::objects::Biller;
use self::otlp::Otlp;
use self::pipeline::Worker;
use self::reload::Follower;
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
    /// Where faults of the service's own are reported, if anywhere.
    pub reports: Option<Arc<ErrorReports>>,
}

/// A service that is bound and not yet serving.
pub struct Service {
    listener: std::net::TcpListener,
    listen: Listen,
    connector: Connector,
    parts: Arc<Parts>,
    keys: Arc<KeyRing>,
    followers: Vec<Follower>,
    config_reload: Option<ConfigReload>,
    otlp: Option<Arc<Otlp>>,
    control: Control,
    desk: Desk,
    /// None when batches are not offered.
    biller: Option<Arc<Biller>>,
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

    /// The origin to reach it at, from where its address is good.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.desk.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// The origin of the admin listener.
    #[must_use]
    pub fn admin_url(&self) -> String {
        let address = self.admin_address();
        let scheme = if admin::tls_at(address, self.desk.tls.as_ref()).is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// The keys that sign and verify tokens, and what is counted about them.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys)
    }

    /// What sends traces and metrics, if anything does.
    #[must_use]
    pub fn otlp(&self) -> Option<Arc<Otlp>> {
        self.otlp.clone()
    }

    /// Serves on its own threads until `shutdown` says otherwise. The handle ends when every worker has.
    ///
    /// # Errors
    /// [`StartError::Worker`]
    pub fn start(self, shutdown: &Shutdown) -> Result<Running, StartError> {
        if let Some(tls) = &self.desk.tls {
            tls.tell_if_expired(self.desk.clock.now());
        }
        let config = self.config_reload.map(ConfigReload::start).transpose().map_err(StartError::Worker)?;
        let followers = self.followers;
        // If nothing is followed this still listens for SIGHUP, which would end the process.
        let files = (config.is_none() || !followers.is_empty()).then(|| reload::start(followers));
        let files = files.transpose().map_err(StartError::Worker)?;
        let reloading = config.into_iter().chain(files).collect();
        let limits = ServeLimits::new(self.listen.max_connections, self.listen.request_timeout)
            .with_write_stall(self.listen.client_read_timeout);
        let workers = (0..self.listen.workers)
            .map(|number| {
                let listener = self.listener.try_clone()?;
                let open = self.desk.standing.revocations.for_worker();
                let worker = Worker::new(self.connector.clone(), open, shutdown.clone());
                let endpoint = Endpoint::new(Arc::clone(&self.parts), worker);
                let tls = self.desk.tls.clone();
                worker::start(number, listener, tls, endpoint, limits.clone(), shutdown.clone())
            })
            .collect::<io::Result<_>>()
            .map_err(StartError::Worker)?;
        let control = self.control.start(self.desk, (self.biller, self.responder), shutdown.clone());
        Ok(Running { workers, reloading, control, otlp: self.otlp })
    }
}
