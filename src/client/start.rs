//! A start: what a token and a request both need, then the first token, and then the proxy.

use std::sync::{Arc, Mutex};

use super::admission::{Admission, launch_key};
use super::alarm::Alarm;
use super::answer_counts::AnswerCounts;
use super::config::{ClientConfig, StoragePolicy};
use super::delivery::Delivery;
use super::device::{self, DeviceIds, MachineId};
use super::endpoints::Endpoints;
use super::enrolment::Enrolment;
use super::error::ClientError;
use super::failover::Failover;
use super::keychain::{Keychain, KeychainLimits, SecretStore};
use super::listeners::Listeners;
use super::loopback::{LoopbackParts, body_limits};
use super::network;
use super::proxies::Proxies;
use super::refresh::{RefreshLoop, Refresher};
use super::service_api::ServiceApi;
use super::service_link::ServiceLink;
use super::session::Session;
use super::status::{Event, Level};
use super::token_store::TokenStore;
use super::{Client, ClientPorts};
use crate::clock::Clock;
use crate::transport::cors::Cors;
use crate::transport::origin::Origin;
use crate::transport::shutdown;

impl Client {
    /// [`start`](Self::start), however long it takes.
    pub(super) async fn start_unhurried(config: ClientConfig, ports: ClientPorts) -> Result<Self, ClientError> {
        let config = Arc::new(config);
        let listeners = Listeners::bind(&config).await?;
        if let Some(warning) = config.proxy.warning() {
            (ports.events)(Event::Log(Level::Warn, warning.into()));
        }
        let (shared, ids, id_error) = Shared::prepare(config, ports).await?;
        let enrolment = shared.enrol(ids, id_error).await?;
        Ok(Self::serve(shared, enrolment, listeners))
    }

    fn serve(shared: Shared, enrolment: Enrolment, listeners: Listeners) -> Self {
        let address = listeners.address;
        let (session, failover) = (Arc::clone(&shared.session), Arc::clone(&shared.failover));
        let (refresher, refresh_loop) =
            RefreshLoop::new(enrolment, session, failover, &shared.config, Arc::clone(&shared.clock));
        let (counts, alarm) = (Arc::<AnswerCounts>::default(), Alarm::default());
        tokio::spawn(alarm.clone().guard(refresh_loop.run()));
        let launch_key = launch_key();
        let (trigger, shutdown) = shutdown::channel();
        let admission = Admission::new(address.port(), &launch_key, Cors::new(shared.config.allowed_origins.clone()));
        let serving = listeners.serve(admission, shared.loopback(&refresher, &counts), shutdown);
        let server = Mutex::new(Some(tokio::spawn(alarm.clone().guard(serving))));
        shared.session.set_bound(address);
        Self {
            session: shared.session,
            refresher,
            link: shared.link,
            failover: shared.failover,
            store: shared.store,
            launch_key,
            address,
            socket_path: shared.config.socket_path.clone(),
            trigger,
            server,
            counts,
            alarm,
        }
    }
}

/// What a token and a request both need.
struct Shared {
    config: Arc<ClientConfig>,
    clock: Arc<dyn Clock>,
    session: Arc<Session>,
    link: Arc<ServiceLink>,
    failover: Arc<Failover>,
    store: TokenStore,
}

impl Shared {
    /// Makes it. It comes with the ids of this machine, and why the keychain did not tell a random one that it may hold.
    async fn prepare(
        config: Arc<ClientConfig>,
        ports: ClientPorts,
    ) -> Result<(Self, DeviceIds, Option<ClientError>), ClientError> {
        let services = services(&config);
        let proxies = Proxies::new(&config.proxy, ports.system_proxies, services.clone());
        let extra_ca_certs = ports.extra_ca_certs.as_deref();
        let (tls, network) = network::prepare(&services[0], &proxies, &config.ca, extra_ca_certs, &ports.events)
            .map_err(|error| ClientError::Internal(error.to_string()))?;
        let keychain = keychain(&config, ports.store, ports.keychain_limits)?;
        let store = TokenStore::new(keychain, ports.lock_folder.as_deref(), &config, Arc::clone(&ports.events));
        let (ids, id_error) = device_ids(&config, ports.machine_id, &store).await;
        let (clock, device) = (ports.clock, ids.usual.clone());
        let service = config.endpoints[0].service.as_base_url().to_owned();
        let session = Session::new(device, service, network, Arc::clone(&clock), config.refresh_before, ports.events);
        let session = Arc::new(session);
        let link = Arc::new(ServiceLink::new(tls, Arc::clone(&clock), proxies, Some(Arc::clone(&session))));
        let endpoints = Endpoints::new(&config.endpoints);
        let failover = Arc::new(Failover::new(endpoints, Arc::clone(&link), Arc::clone(&session)));
        Ok((Self { config, clock, session, link, failover, store }, ids, id_error))
    }

    /// Gets the first token.
    async fn enrol(&self, ids: DeviceIds, id_error: Option<ClientError>) -> Result<Enrolment, ClientError> {
        let (failover, session, clock) = (&self.failover, &self.session, &self.clock);
        let api =
            ServiceApi::new(Arc::clone(&self.config), Arc::clone(&self.link), Arc::clone(failover), Arc::clone(clock));
        let mut enrolment =
            Enrolment::new(api, Arc::clone(failover), self.store.clone(), ids, Arc::clone(session), Arc::clone(clock));
        enrolment.first_token(self.config.startup_timeout / 2, id_error).await?;
        enrolment.start_is_over();
        Ok(enrolment)
    }

    fn loopback(&self, refresher: &Refresher, counts: &Arc<AnswerCounts>) -> LoopbackParts {
        let delivery = Delivery {
            session: Arc::clone(&self.session),
            refresher: refresher.clone(),
            link: Arc::clone(&self.link),
            failover: Arc::clone(&self.failover),
        };
        LoopbackParts {
            session: Arc::clone(&self.session),
            refresher: refresher.clone(),
            delivery,
            counts: Arc::clone(counts),
            body_limits: body_limits(),
        }
    }
}

/// The services of the app. TLS is prepared for the first, and its way is shown. It is one with TLS, if there is one.
fn services(config: &ClientConfig) -> Vec<Arc<Origin>> {
    let mut services: Vec<_> = config.endpoints.iter().map(|endpoint| Arc::clone(&endpoint.service)).collect();
    services.sort_by_key(|service| !service.is_tls());
    services
}

fn keychain(
    config: &ClientConfig,
    store: Box<dyn SecretStore>,
    limits: KeychainLimits,
) -> Result<Option<Keychain>, ClientError> {
    if config.storage == StoragePolicy::Memory {
        return Ok(None);
    }
    let keychain = Keychain::start(store, limits).map_err(|error| ClientError::Internal(error.to_string()))?;
    // The rest of the start's time is for the service.
    Ok(Some(keychain.for_start(config.startup_timeout / 3 * 2)))
}

/// The ids of this machine, and why the keychain did not tell a random one that it may hold.
async fn device_ids(
    config: &ClientConfig,
    machine_id: MachineId,
    store: &TokenStore,
) -> (DeviceIds, Option<ClientError>) {
    if let Some(ids) = DeviceIds::of_machine(&config.app_id, machine_id) {
        return (ids, None);
    }
    let new = device::random();
    let id = match store.kept_device_id().await {
        Ok(Some(kept)) => Ok(kept),
        Ok(None) => {
            let _turn = store.turn().await;
            store.random_device_id(new.clone()).await
        }
        Err(error) => Err(error),
    };
    match id {
        Ok(id) => (DeviceIds::random(&config.app_id, id), None),
        Err(error) => (DeviceIds::random(&config.app_id, new), Some(error)),
    }
}
