//! The service: built by [`build`](super::build), bound, and then started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::service::admin::api::{AdminState, tls_at};
use crate::service::base::watched_file::{self, Follower};
use crate::service::http::handler::{HandlerParts, ServiceHandler};
use crate::service::http::listen::Listen;
use crate::service::meter::usage::UsageSink;
use crate::service::relay::worker::Worker;
use crate::service::run::background::{Control, ControlTasks};
use crate::service::run::handle::ServiceHandle;
use crate::service::run::start_error::StartError;
use crate::service::run::{acceptor, worker};
use crate::service::telemetry::error_reports::ErrorReports;
use crate::service::telemetry::otlp::Otlp;
use crate::service::token::keyring::KeyRing;
use crate::transport::connect::Connector;
use crate::transport::serve::ServeLimits;
use crate::transport::shutdown::Shutdown;

/// What the service uses of the world; tests pass their own.
pub struct ServicePorts {
    pub clock: Arc<dyn Clock>,
    /// Where usage records go.
    pub usage: Arc<dyn UsageSink>,
    /// Where faults of the service's own are reported, if anywhere.
    pub reports: Option<Arc<ErrorReports>>,
}

/// A service that is bound and not yet serving.
pub struct Service {
    pub(super) listener: std::net::TcpListener,
    pub(super) listen: Listen,
    pub(super) connector: Connector,
    pub(super) parts: Arc<HandlerParts>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) followers: Vec<Follower>,
    pub(super) otlp: Option<Arc<Otlp>>,
    pub(super) control: Control,
    pub(super) admin_state: AdminState,
    pub(super) tasks: ControlTasks,
}

impl Service {
    /// The address it is bound to.
    ///
    /// # Panics
    /// Never: the socket is bound.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("the listener is bound")
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> SocketAddr {
        self.control.opened.address
    }

    /// The origin to reach it at, from where its address is good.
    pub fn url(&self) -> String {
        let scheme = if self.admin_state.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// The origin of the admin listener.
    pub fn admin_url(&self) -> String {
        self.url_of(self.admin_address())
    }

    /// The origin of the listener with metrics alone, if there is one.
    pub fn metrics_url(&self) -> Option<String> {
        self.control.opened.metrics_address.map(|address| self.url_of(address))
    }

    /// The origin of a listener for administrators.
    fn url_of(&self, address: SocketAddr) -> String {
        let scheme = if tls_at(address, self.admin_state.tls.as_ref()).is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// The keys that sign and verify tokens, and what is counted about them.
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys)
    }

    /// What sends traces and metrics, if anything does.
    pub fn otlp(&self) -> Option<Arc<Otlp>> {
        self.otlp.clone()
    }

    /// Serves on its own threads until `shutdown` says otherwise. The handle ends when every worker has.
    ///
    /// # Errors
    /// [`StartError::Worker`]
    pub fn start(self, shutdown: &Shutdown) -> Result<ServiceHandle, StartError> {
        if let Some(tls) = &self.admin_state.tls {
            tls.tell_if_expired(self.admin_state.clock.now());
        }
        // If nothing is followed this still listens for SIGHUP, which would end the process.
        let reloading = watched_file::start(self.followers).map_err(StartError::Worker)?;
        let limits = ServeLimits::new(self.listen.max_connections, self.listen.request_timeout)
            .with_write_stall(self.listen.client_read_timeout)
            .with_last_request(LAST_REQUEST);
        let slots = Arc::clone(&limits.connections);
        let (accepting, dispatched) =
            acceptor::start(self.listener, self.listen.workers, slots, shutdown.clone()).map_err(StartError::Worker)?;
        let mut workers = vec![accepting];
        for (number, connections) in dispatched.into_iter().enumerate() {
            let open = self.admin_state.access.revocations.for_worker();
            let worker = Worker::new(self.connector.clone(), open, shutdown.clone());
            let handler = ServiceHandler::new(Arc::clone(&self.parts), worker);
            let tls = self.admin_state.tls.clone();
            let started = worker::start(number, connections, tls, handler, limits.clone(), shutdown.clone());
            workers.push(started.map_err(StartError::Worker)?);
        }
        let control = self.control.start(self.admin_state, self.tasks);
        Ok(ServiceHandle { workers, reloading, control, otlp: self.otlp })
    }
}

/// A load balancer's requests take less than this to cross the beginning of the shutdown.
const LAST_REQUEST: Duration = Duration::from_millis(500);
