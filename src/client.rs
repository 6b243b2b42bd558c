//! The desktop half in plain Rust: gets a wrapper token for this device, keeps it fresh, and serves a loopback proxy
//! that puts it on requests. The addon starts one client per proxy.
//!
//! A token's way: [`device`] and [`device_key`], of which [`identity`] is made → [`service_api`] → [`mod@keychain`] and
//! [`token_store`] → [`credential`]. [`enrolment`] goes it at the start, and then whenever [`refresh`] says; the app's other
//! processes wait at [`renewal_lock`] meanwhile. A request's way: [`admission`] → [`loopback`], which reads the token from
//! [`session`] → [`delivery`] to one of the [`endpoints`], among which [`failover`] chooses; [`proxies`] are in between, and
//! [`network`] says so. Requests come in by TCP, and by a [`unix_socket`] if the app names one; [`peer`] tells whose program
//! connects. While an answer does not come, [`unanswered`] makes [`refresh`] look whether the service is there. [`alarm`] notices
//! when one of these has panicked. [`start`] makes all of them.

pub mod admission;
mod alarm;
mod answer_counts;
pub mod config;
pub mod credential;
mod delivery;
pub mod device;
pub mod device_key;
pub mod endpoint;
mod endpoints;
mod enrolment;
pub mod enrolment_token;
pub mod error;
mod failover;
mod identity;
mod jitter;
pub mod keychain;
mod listeners;
mod loopback;
mod network;
mod options;
mod peer;
pub mod proxies;
pub mod proxy_choice;
pub mod refresh;
mod renewal;
pub mod renewal_lock;
mod service_api;
pub mod service_check;
mod service_link;
pub mod session;
mod start;
pub mod status;
mod stored;
mod token_store;
mod unanswered;
mod unix_socket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use self::alarm::Alarm;
use self::answer_counts::AnswerCounts;
pub use self::answer_counts::Answers;
use self::config::ClientConfig;
use self::credential::{Freshness, WrapperToken};
use self::device::MachineId;
use self::error::ClientError;
use self::failover::Failover;
use self::keychain::{KeychainLimits, SecretStore};
use self::proxies::ReadSystemProxies;
use self::proxy_choice::ProxyChoice;
use self::refresh::{Reason, Refresher};
use self::service_link::ServiceLink;
use self::session::Session;
use self::status::{EventSink, Level, Status};
use self::token_store::TokenStore;
use crate::clock::Clock;
use crate::lock::lock;
use crate::secret::Secret;
use crate::transport::shutdown::{Phase, ShutdownTrigger};

/// The parts of the machine that the client uses; tests pass their own.
pub struct ClientPorts {
    /// The source of wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// The keychain of the operating system.
    pub store: Box<dyn SecretStore>,
    /// How long to wait for the keychain.
    pub keychain_limits: KeychainLimits,
    /// The folder for the lock by which the processes of the app take turns at the keychain; without one each goes by itself.
    pub lock_folder: Option<PathBuf>,
    /// Reads the machine's id.
    pub machine_id: MachineId,
    /// The file of CA certificates to trust besides the system's (`NODE_EXTRA_CA_CERTS`), if one is named.
    pub extra_ca_certs: Option<PathBuf>,
    /// Reads which HTTP proxies the environment and the system name.
    pub system_proxies: ReadSystemProxies,
    /// Receives status changes, errors and log lines.
    pub events: EventSink,
}

/// A running client with its loopback proxy.
pub struct Client {
    session: Arc<Session>,
    /// Asks the refresh task for newer tokens.
    pub refresher: Refresher,
    link: Arc<ServiceLink>,
    failover: Arc<Failover>,
    store: TokenStore,
    /// The credential that local clients must send.
    pub launch_key: Secret,
    /// The address that the proxy listens on.
    pub address: SocketAddr,
    /// The Unix socket that the proxy listens on, if the app named one.
    pub socket_path: Option<PathBuf>,
    trigger: ShutdownTrigger,
    server: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<AnswerCounts>,
    alarm: Alarm,
}

impl Client {
    /// Checks the service's health, finds or fetches a token, and starts the proxy. With a good stored token it starts
    /// while the service is away, too. Run it on a current-thread runtime that lives as long as the client. After an
    /// error nothing is left running.
    pub async fn start(config: ClientConfig, ports: ClientPorts) -> Result<Self, ClientError> {
        let limit = config.startup_timeout;
        tokio::time::timeout(limit, Self::start_unhurried(config, ports))
            .await
            .unwrap_or(Err(ClientError::Timeout(limit)))
    }

    /// The status at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        self.session.status()
    }

    /// How many answers the proxy has given to local clients.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.counts.now()
    }

    /// The wrapper token, for a tool that sends its requests to the service itself. It is refreshed first if it is due and the
    /// service can be reached.
    pub async fn token_for_tool(&self) -> Result<Arc<WrapperToken>, ClientError> {
        let Some((installed, freshness)) = self.session.installed() else { return Err(ClientError::Closed) };
        if freshness == Freshness::Fresh {
            return Ok(installed.token);
        }
        match self.refresher.ask(Reason::Aged(installed.generation)).await {
            Err(error) if freshness == Freshness::Expired => return Err(error),
            // A token that is due is good for a while.
            Err(_) => {}
            // The tool may end this process at once. The turn of the refresh task lasts until the token is stored.
            Ok(()) => drop(self.store.turn().await),
        }
        self.session.token().ok_or(ClientError::Closed)
    }

    /// Waits until a part of the client has panicked. The client is of no use then and is to be closed; the app is told here.
    pub async fn broken(&self) {
        self.alarm.raised().await;
        self.session.broke(ClientError::Internal("a part of the proxy has panicked, so it closes".into()));
    }

    /// Call this after the machine woke up: drops connections that may be dead, forgets which endpoints failed, and checks
    /// the token.
    pub fn resumed(&self) {
        self.link.forget();
        self.failover.forget_failures();
        self.refresher.kick(Reason::Resumed);
    }

    /// Sends new connections through other HTTP proxies from now on, named as by the option `proxy`. Requests in flight go on.
    /// An error changes nothing.
    pub fn set_proxy(&self, proxy: &str) -> Result<(), ClientError> {
        let choice = ProxyChoice::parse(proxy).inspect_err(|error| {
            self.session.log(Level::Warn, format!("The proxy stays as it is: {error}"));
        })?;
        if self.link.choose_proxy(&choice) {
            if let Some(warning) = choice.warning() {
                self.session.log(Level::Warn, warning);
            }
            self.failover.forget_failures();
            self.refresher.kick(Reason::Resumed);
        }
        Ok(())
    }

    /// Takes no new connections, and lets open ones finish within `limit`. The status says `closed` from its beginning.
    /// Idempotent.
    pub async fn close(&self, limit: Duration) {
        self.session.closing();
        self.trigger.advance(Phase::Draining);
        let server = lock(&self.server).take();
        if let Some(mut server) = server
            && tokio::time::timeout(limit, &mut server).await.is_err()
        {
            self.trigger.advance(Phase::Forced);
            server.abort();
        }
        self.session.close();
    }

    /// Closes the client at once, and removes from the keychain what it holds for the app: the token, the device's key and its
    /// random id. The error says why something is still there. Other processes of the app keep what they have in memory.
    pub async fn sign_out(&self) -> Result<(), ClientError> {
        self.close(Duration::ZERO).await;
        self.store.clear().await
    }
}
