//! The remote service: checks wrapper tokens, swaps in the real key, relays and meters.
//!
//! In the order of a request: [`router`] → [`pipeline`] → [`auth`] → [`model`] → [`upstream`] → [`usage`]. Tokens come
//! from [`issue`], signed by [`keyring`].

mod admitted;
pub mod auth;
pub mod config;
mod endpoint;
mod issue;
mod json;
pub mod keyring;
pub mod limits;
pub mod log;
mod model;
mod pipeline;
mod protocol;
mod router;
mod signing_file;
pub mod stop_signals;
mod upstream;
pub mod usage;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use self::auth::Auth;
use self::config::{Config, Listen, SigningSecret};
use self::endpoint::{Endpoint, Parts};
use self::issue::Issuer;
use self::keyring::KeyRing;
use self::pipeline::{Pipeline, Worker};
use self::usage::UsageSink;
use crate::clock::Clock;
use crate::transport::connect::Connector;
use crate::transport::cors::Cors;
use crate::transport::serve::{ServeLimits, serve};
use crate::transport::shutdown::Shutdown;
use crate::transport::tls::TlsSetupError;
use crate::transport::upstream::Upstream;

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
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// `HOST` and `PORT`.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The file with the signing secret cannot be read or made.
    #[error("cannot use {path}, which keeps the signing secret: {source}")]
    SigningFile {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// TLS towards the upstream cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The system gave no thread or no event queue.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}

impl Service {
    /// Builds the service and binds its port.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn build(config: Config, ports: Ports) -> Result<Self, StartError> {
        let secret = match &config.signing {
            SigningSecret::Given(secret) => secret.clone(),
            SigningSecret::KeptIn(path) => signing_file::load_or_create(path)?,
        };
        let keys = Arc::new(KeyRing::of_one(&secret));
        let auth = Arc::new(Auth::new(Arc::clone(&keys), Arc::clone(&ports.clock), config.tokens.clone()));
        let protocol = protocol::describe(&config.listen, &config.tokens, &config.enrolment);
        let shared = Parts {
            pipeline: Pipeline::new(Arc::clone(&auth), ports.usage, &config.listen, &config.upstream),
            auth,
            issuer: Issuer::new(keys, ports.clock, config.tokens, config.terms, config.enrolment),
            cors: Cors::new(config.cors),
            protocol: protocol.to_string().into(),
            body_timeout: config.listen.request_timeout,
        };
        let connector = upstream::connector(&config.upstream)?;
        let listener = bind(config.listen.address)
            .map_err(|source| StartError::Bind { address: config.listen.address, source })?;
        Ok(Self { listener, listen: config.listen, connector, parts: Arc::new(shared) })
    }

    /// The address it is bound to.
    ///
    /// # Panics
    /// Never: the socket is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("the listener is bound")
    }

    /// Serves on its own threads until `shutdown` says otherwise. The handle ends when every worker has.
    ///
    /// # Errors
    /// [`StartError::Worker`]
    pub fn start(self, shutdown: &Shutdown) -> Result<Running, StartError> {
        let limits = ServeLimits::new(self.listen.max_connections, self.listen.request_timeout);
        let workers = (0..self.listen.workers)
            .map(|number| {
                let listener = self.listener.try_clone()?;
                let endpoint =
                    Endpoint::new(Arc::clone(&self.parts), Worker::new(self.connector.clone(), shutdown.clone()));
                start_worker(number, listener, endpoint, limits.clone(), shutdown.clone())
            })
            .collect::<io::Result<_>>()
            .map_err(StartError::Worker)?;
        Ok(Running { workers })
    }
}

/// The threads of a running service.
pub struct Running {
    workers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits until every worker has ended.
    pub fn join(self) {
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("A worker panicked");
            }
        }
    }
}

/// One thread, one event loop, one pool of upstream connections: nothing on a request's way is shared with another core.
fn start_worker(
    number: usize,
    listener: std::net::TcpListener,
    endpoint: Endpoint,
    limits: ServeLimits,
    shutdown: Shutdown,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let upstream = endpoint.upstream().clone();
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        runtime.block_on(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => tokio::select! {
                    () = serve(listener, endpoint, limits, shutdown) => {}
                    () = tick(&upstream) => {}
                },
                Err(error) => tracing::error!(%error, "A worker cannot listen"),
            }
        });
    })
}

/// Keeps a timer due within a second at all times, for ever. The event loop sleeps until its next timer; one that is
/// registered for an earlier moment first has to wake it up, which costs two system calls. Limits of requests are longer
/// than a second, so beside this one none of them is the next. What each second is good for besides: dead connections
/// are let go.
async fn tick(upstream: &Upstream) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        upstream.drop_dead();
    }
}

fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    #[cfg(unix)] // elsewhere the option lets a stranger take the port over
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

const BACKLOG: i32 = 1024;
