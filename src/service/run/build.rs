//! Builds the service: makes every part once and hands it the parts it needs. Fails when a port, a file, the database or
//! Redis cannot be used.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::service::admin::api::{AdminState, Responder};
use crate::service::base::trace_context::Tracer;
use crate::service::base::watched_file::Follower;
use crate::service::config::{self, Config};
use crate::service::enrol::device_keys::DeviceKeyPolicy;
use crate::service::enrol::device_keys::DeviceKeys;
use crate::service::enrol::issuer::BootstrapMode;
use crate::service::enrol::issuer::Issuer;
use crate::service::enrol::signing_file;
use crate::service::govern::access::AccessPolicy;
use crate::service::govern::breaker::{self, Breaker};
use crate::service::govern::budgets::Budgets;
use crate::service::govern::leak::Leaks;
use crate::service::govern::overrides::DeviceOverrides;
use crate::service::govern::revocation::Revocations;
use crate::service::http::client_address::TrustedProxies;
use crate::service::http::handler::HandlerParts;
use crate::service::http::protocol::{self, Described};
use crate::service::http::tls;
use crate::service::meter::usage::{UsageSink, UsageSinks};
use crate::service::relay::admission::Admission;
use crate::service::relay::answer::Answers;
use crate::service::relay::batches::{BatchParts, Batches};
use crate::service::relay::budget_gate::BudgetGate;
use crate::service::relay::key_swap::{self, KeySwap};
use crate::service::relay::ledger::Ledger;
use crate::service::relay::pipeline::{Pipeline, Stages, body_limits};
use crate::service::run::background::{Control, Opened};
use crate::service::run::config_reload;
use crate::service::run::reload::{ReloadMetrics, Reloadable};
use crate::service::run::service::Service;
use crate::service::run::service::ServicePorts;
use crate::service::run::start_error::StartError;
use crate::service::store::database::UsageWriter;
use crate::service::telemetry::metrics::{MetricsPage, RequestMetrics};
use crate::service::telemetry::otlp::OtlpConfig;
use crate::service::telemetry::otlp::{Otlp, OtlpSettings};
use crate::service::token::keyring::SigningSecret;
use crate::service::token::keyring::{self, KeyList, KeyRing};
use crate::service::token::verify::Auth;
use crate::transport::cors::Cors;
use crate::transport::origin::Origin;

impl Service {
    /// Builds the service and binds its port.
    pub fn build(config: Config, ports: ServicePorts) -> Result<Self, StartError> {
        let settings = Arc::new(ArcSwap::from_pointee(config::shown(&config)));
        let protocol = protocol::describe(&Described {
            listen: &config.listen,
            has_tls: config.tls.is_some(),
            tokens: &config.tokens,
            terms: &config.terms,
            enrolment: &config.enrolment,
            batches_and_files: &config.batches_and_files,
        });
        let access = access(&config);
        let prices = Arc::new(ArcSwap::from_pointee(config.prices.table));
        let (keys, key_follower) = signing_keys(config.signing)?;
        let (tls, certificate_follower) = config.tls.map(|tls| tls::follow(tls, Arc::clone(&ports.clock))).unzip();
        let token_life = config.tokens.lifetime;
        let budgets = Budgets::new(config.budgets);
        let control = Control::open(&config.stores, &config.admin, (access.clone(), budgets.clone()), &ports.clock)?;
        let opened = &control.opened;
        let (leaks, suspicions) = Leaks::start(&config.leaks, Arc::clone(&ports.clock), opened.limiter.gossip());
        let can_enrol = config.enrolment.mode != BootstrapMode::Closed;
        let metrics = Arc::new(RequestMetrics::default());
        let otlp = telemetry(config.otlp.as_ref(), &config.upstream.origin, &ports.clock)?;
        let sinks = sinks(ports.usage, &metrics, otlp.as_ref(), &opened.usage);
        let connector = key_swap::connector(&config.upstream)?;
        let auth = Arc::new(Auth::new(Arc::clone(&keys), Arc::clone(&ports.clock), config.tokens.clone()));
        let admission = Admission {
            auth: Arc::clone(&auth),
            access: access.clone(),
            leaks: Arc::clone(&leaks),
            limiter: opened.limiter.clone(),
        };
        let budget_gate =
            BudgetGate { budgets: budgets.clone(), prices: Arc::clone(&prices), clock: Arc::clone(&ports.clock) };
        let stages = Arc::new(Stages {
            admission,
            budgets: budget_gate,
            answers: Answers { swap: KeySwap::new(&config.upstream), idle_timeout: config.upstream.idle_timeout },
            body_limits: body_limits(config.listen.max_payload, config.listen.request_timeout),
            prices: Arc::clone(&prices),
            sink: sinks.all,
        });
        let ledger = config.batches_and_files.offered.then(|| Ledger::new(opened.db_requests.clone()));
        let batches = ledger.clone().map(|ledger| {
            Batches::new(BatchParts {
                offer: config.batches_and_files,
                stages: Arc::clone(&stages),
                ledger,
                upstream: &config.upstream,
                connector: connector.clone(),
                sink_beside_database: sinks.beside,
                clock: Arc::clone(&ports.clock),
            })
        });
        let biller = batches.as_ref().map(Batches::biller);
        let breaker = Breaker::new(breaker::BreakerSettings::default());
        let pipeline = Pipeline {
            stages,
            breaker: breaker.clone(),
            tracer: config.otlp.map(|to| Tracer::new(to.sample_ratio)),
            ledger,
            first_byte: config.upstream.first_byte_timeout,
        };
        let device_keys = device_keys(config.enrolment.keys, &keys, opened, &ports.clock);
        let issuer = Arc::new(Issuer::new(
            Arc::clone(&keys),
            Arc::clone(&ports.clock),
            config.tokens,
            config.terms,
            (config.enrolment, device_keys),
            access.clone(),
        ));
        let reloads = Arc::new(ReloadMetrics::default());
        let page = MetricsPage::starting_now().with(&metrics).with(&keys).with(&issuer).with(&tls).with(&otlp);
        let page = page.with(&access.revocations).with(&opened.limiter).with(&budgets).with(&breaker);
        let page = page.with(&leaks).with(&opened.usage).with(&reloads);
        let reloadable = Reloadable {
            overrides: Arc::clone(&access.overrides),
            budgets: budgets.clone(),
            issuer: Arc::clone(&issuer),
            prices,
            settings: Arc::clone(&settings),
            metrics: reloads,
        };
        let config_follower = config_reload::follower(config.sources, config.prices.file, reloadable);
        let admin_state = AdminState {
            database: opened.database.clone(),
            budgets,
            breaker,
            tls,
            sync: Arc::clone(&opened.sync),
            access,
            auth: Arc::clone(&auth),
            issuer: Arc::clone(&issuer),
            metrics: Arc::new(page),
            settings,
            clock: ports.clock,
            token_life,
        };
        let responder = Responder::new(Arc::clone(&leaks), suspicions, admin_state.clone(), can_enrol);
        Ok(Self {
            parts: Arc::new(HandlerParts {
                pipeline,
                batches,
                auth,
                issuer,
                leaks,
                metrics,
                reports: ports.reports,
                proxies: TrustedProxies::new(config.trusted_proxies),
                cors: Cors::new(config.cors),
                protocol: protocol.to_string().into(),
                body_timeout: config.listen.request_timeout,
            }),
            listener: bind(config.listen.address)?,
            listen: config.listen,
            connector,
            control,
            admin_state,
            keys,
            followers: key_follower.into_iter().chain(certificate_follower).chain(config_follower).collect(),
            otlp,
            biller,
            responder,
        })
    }
}

/// The access policy with default limits; overrides and revocations are loaded later.
fn access(config: &Config) -> AccessPolicy {
    let overrides = Arc::new(DeviceOverrides::new(config.limits));
    AccessPolicy { overrides, revocations: Arc::new(Revocations::new(config.admin.max_staleness)) }
}

/// Builds the device-key check; `None` when `DEVICE_KEYS=off`.
fn device_keys(
    policy: DeviceKeyPolicy,
    keys: &Arc<KeyRing>,
    opened: &Opened,
    clock: &Arc<dyn Clock>,
) -> Option<DeviceKeys> {
    DeviceKeys::of(policy, Arc::clone(keys), opened.db_requests.clone(), Arc::clone(clock))
}

struct Sinks {
    /// All sinks, with the database.
    all: Arc<dyn UsageSink>,
    /// All sinks but the database.
    beside: Arc<dyn UsageSink>,
}

/// The sinks of usage records.
fn sinks(
    log: Arc<dyn UsageSink>,
    metrics: &Arc<RequestMetrics>,
    otlp: Option<&Arc<Otlp>>,
    database: &Arc<UsageWriter>,
) -> Sinks {
    let beside: Vec<Arc<dyn UsageSink>> =
        [log, Arc::clone(metrics) as _].into_iter().chain(otlp.map(|otlp| Arc::clone(otlp) as _)).collect();
    let all = beside.iter().cloned().chain([Arc::clone(database) as _]).collect();
    Sinks { all: Arc::new(UsageSinks::new(all)), beside: Arc::new(UsageSinks::new(beside)) }
}

/// `None` without a collector.
fn telemetry(
    to: Option<&OtlpConfig>,
    upstream: &Origin,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<Otlp>>, StartError> {
    let start = |to| Otlp::start(to, upstream, OtlpSettings::default(), Arc::clone(clock)).map(Arc::new);
    Ok(to.map(start).transpose()?)
}

/// The ring of the configured keys, and a follower if they are in a file that may change.
fn signing_keys(signing: SigningSecret) -> Result<(Arc<KeyRing>, Option<Follower>), StartError> {
    Ok(match signing {
        SigningSecret::Given(list) => (Arc::new(KeyRing::new(&list)), None),
        SigningSecret::KeptIn(path) => {
            let secret = signing_file::load_or_create(&path)?;
            (Arc::new(KeyRing::new(&KeyList::of_one(secret))), None)
        }
        SigningSecret::Followed(file) => {
            let keys = Arc::new(KeyRing::new(&file.keys));
            (Arc::clone(&keys), Some(keyring::follower(file, keys)))
        }
    })
}

fn bind(address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let bound = || -> io::Result<std::net::TcpListener> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        #[cfg(unix)] // elsewhere the option lets a stranger take the port over
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    bound().map_err(|source| StartError::Bind { address, source })
}

const BACKLOG: i32 = 1024;
