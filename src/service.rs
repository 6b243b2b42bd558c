//! The remote service: checks wrapper tokens, swaps in the real key, relays and meters.
//!
//! In the order of a request: [`router`] → [`pipeline`] → [`auth`] → [`model`] → [`upstream`] → [`usage`]. Tokens come
//! from [`issue`], signed by [`keyring`].

mod admin;
mod admitted;
pub mod auth;
pub mod breaker;
pub mod budgets;
pub mod config;
mod control;
mod endpoint;
mod gates;
mod issue;
mod json;
pub mod keyring;
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
mod signing_file;
mod stake;
pub mod standing;
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
use std::thread::JoinHandle;

use self::admin::Desk;
use self::auth::Auth;
use self::breaker::Breaker;
use self::config::{Config, Listen, SigningSecret};
use self::control::{Control, RunningControl};
use self::endpoint::{Endpoint, Parts};
use self::gates::Gates;
use self::issue::Issuer;
use self::keyring::{KeyList, KeyReload, KeyRing, Reloading};
use self::limits::LimiterError;
use self::metrics::Metrics;
use self::pipeline::{Pipeline, Worker};
use self::prices::Prices;
use self::revocation::Revocations;
use self::rules::DeviceRules;
use self::standing::Standing;
use self::store::{StartWriterError, StoreError};
use self::usage::{UsageSink, UsageSinks};
use crate::clock::Clock;
use crate::transport::connect::Connector;
use crate::transport::cors::Cors;
use crate::transport::serve::ServeLimits;
use crate::transport::shutdown::Shutdown;
use crate::transport::tls::TlsSetupError;

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
}

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// `HOST` and `PORT`, or those of the admin listener.
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
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Redis cannot be used.
    #[error(transparent)]
    Limiter(#[from] LimiterError),
    /// Usage records cannot be written.
    #[error(transparent)]
    UsageWriter(#[from] StartWriterError),
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
        let settings = admin::settings(&config);
        let (keys, reload) = signing_keys(config.signing)?;
        let auth = Arc::new(Auth::new(Arc::clone(&keys), Arc::clone(&ports.clock), config.tokens.clone()));
        let protocol = protocol::describe(&config.listen, &config.tokens, &config.enrolment);
        let standing = Standing {
            rules: Arc::new(DeviceRules::new(config.limits)),
            revocations: Arc::new(Revocations::new(config.admin.max_staleness)),
        };
        let control = Control::open(&config.stores, &config.admin, standing.clone(), &ports.clock)?;
        let metrics = Arc::new(Metrics::default());
        let prices = Arc::new(Prices::shipped());
        let gates = Arc::new(Gates {
            standing: standing.clone(),
            limiter: control.opened.limiter.clone(),
            breaker: Breaker::new(breaker::Settings::default()),
        });
        let usage =
            UsageSinks::new(vec![ports.usage, Arc::clone(&metrics) as _, Arc::clone(&control.opened.usage) as _]);
        let pipeline = Pipeline::new(
            Arc::clone(&auth),
            (Arc::clone(&gates), prices),
            Arc::new(usage),
            &config.listen,
            &config.upstream,
        );
        let token_life = config.tokens.lifetime;
        let issuer = Arc::new(Issuer::new(
            Arc::clone(&keys),
            Arc::clone(&ports.clock),
            config.tokens,
            config.terms,
            config.enrolment,
            standing.clone(),
        ));
        let desk = Desk {
            database: control.opened.database.clone(),
            gates,
            keys: Arc::clone(&keys),
            usage: Arc::clone(&control.opened.usage),
            sync: Arc::clone(&control.opened.sync),
            standing,
            auth: Arc::clone(&auth),
            issuer: Arc::clone(&issuer),
            metrics: Arc::clone(&metrics),
            settings: Arc::new(settings),
            clock: ports.clock,
            token_life,
        };
        let shared = Parts {
            pipeline,
            auth,
            issuer,
            metrics,
            cors: Cors::new(config.cors),
            protocol: protocol.to_string().into(),
            body_timeout: config.listen.request_timeout,
        };
        let connector = upstream::connector(&config.upstream)?;
        let listener = bind(config.listen.address)
            .map_err(|source| StartError::Bind { address: config.listen.address, source })?;
        Ok(Self { listener, listen: config.listen, connector, parts: Arc::new(shared), control, desk, keys, reload })
    }

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
        let control = self.control.start(self.desk, shutdown.clone());
        Ok(Running { workers, reloading, control })
    }
}

/// The threads of a running service.
pub struct Running {
    workers: Vec<JoinHandle<()>>,
    reloading: Option<Reloading>,
    control: RunningControl,
}

impl Running {
    /// Waits until every worker has ended.
    pub fn join(self) {
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("A worker panicked");
            }
        }
        if let Some(reloading) = self.reloading {
            reloading.end();
        }
        self.control.end();
    }
}

/// The ring of the configured keys, and what keeps it up to date if they are in a file that may change.
fn signing_keys(signing: SigningSecret) -> Result<(Arc<KeyRing>, Option<KeyReload>), StartError> {
    Ok(match signing {
        SigningSecret::Given(list) => (Arc::new(KeyRing::new(&list)), None),
        SigningSecret::KeptIn(path) => {
            let secret = signing_file::load_or_create(&path)?;
            (Arc::new(KeyRing::new(&KeyList::of_one(secret))), None)
        }
        SigningSecret::Followed(file) => {
            let keys = Arc::new(KeyRing::new(&file.keys));
            (Arc::clone(&keys), Some(KeyReload::new(file, keys)))
        }
    })
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
