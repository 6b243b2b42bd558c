//! Builds the service: makes every part once and hands it the parts it needs. Fails when a port, a file, the database or
//! Redis cannot be used.

mod govern;
mod parts;
mod real_key;
mod relay;
mod telemetry;
mod tokens;

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use self::govern::Govern;
use self::parts::ServiceParts;
use self::relay::Relaying;
use self::telemetry::Telemetry;
use self::tokens::Tokens;
use crate::service::admin::api::{AdminState, Responder};
use crate::service::config::Config;
use crate::service::enrol::device_keys::DeviceKeys;
use crate::service::enrol::issuer::{BootstrapMode, Issuer};
use crate::service::govern::leak::Leaks;
use crate::service::http::allowed_hosts::HostCheck;
use crate::service::http::client_address::TrustedProxies;
use crate::service::http::handler::HandlerParts;
use crate::service::http::protocol::{self, Described};
use crate::service::http::tls::{self, Tls};
use crate::service::relay::batches::Batches;
use crate::service::relay::key_renewal::KeyRenewal;
use crate::service::run::background::{Control, ControlTasks};
use crate::service::run::reload::{ReloadMetrics, Reloadable};
use crate::service::run::service::{Service, ServicePorts};
use crate::service::run::start_error::StartError;
use crate::service::run::{config_reload, listener};
use crate::service::telemetry::metrics::MetricsPage;
use crate::transport::cors::Cors;

impl Service {
    /// Builds the service and binds its port.
    pub fn build(mut config: Config, ports: ServicePorts) -> Result<Self, StartError> {
        let ServicePorts { clock, usage: log, reports } = ports;
        let (tls, certificates) = config.tls.take().map(|tls| tls::follow(tls, Arc::clone(&clock))).unzip();
        let mut tokens = Tokens::build(&config, &clock)?;
        let followers = tokens.follower.take().into_iter().chain(certificates);
        let govern = Govern::build(&config);
        let policy = (govern.access.clone(), govern.budgets.clone());
        let control = Control::open(&config.stores, &config.admin, policy, &clock)?;
        let opened = control.opened.clone();
        let (leaks, suspicions) = Leaks::start(&config.leaks, Arc::clone(&clock), opened.limiter.gossip());
        let prices = Arc::new(ArcSwap::from_pointee(config.prices.table.clone()));
        let telemetry = Telemetry::build(&config, log, &opened.usage, &prices, &clock)?;
        let built = ServiceParts { clock, prices, tokens, govern, leaks, opened, telemetry, reports };
        // The command that prints the real key must not get the socket that a supervisor passes on.
        let listener = listener::listen(config.listen.address)?;
        let relaying = Relaying::build(&config, &built)?;
        let (connector, biller) = (relaying.connector.clone(), relaying.batches.as_ref().map(Batches::biller));
        let (probe, renewal) = (Arc::clone(&relaying.probe), relaying.renewal.clone());
        let issuer = Arc::new(issuer(&config, &built));
        let reloadable = reloadable(&config, &built, &issuer, &relaying);
        let admin_state = admin_state(&config, &built, tls, &reloadable, &relaying);
        let can_enrol = config.enrolment.mode != BootstrapMode::Closed;
        let responder = Responder::new(Arc::clone(&built.leaks), suspicions, admin_state.clone(), can_enrol);
        let handler_parts = handler_parts(&config, &built, relaying, &admin_state);
        let followers = followers.chain(renewal.as_ref().map(KeyRenewal::follower));
        let followers = followers.chain(config_reload::follower(config.sources, config.prices.file, reloadable));
        Ok(Self {
            parts: Arc::new(handler_parts),
            listener,
            listen: config.listen,
            connector,
            control,
            admin_state,
            keys: built.tokens.keys,
            followers: followers.collect(),
            otlp: built.telemetry.otlp,
            tasks: ControlTasks { biller, probe, renewal, responder },
        })
    }
}

fn described(config: &Config, has_tls: bool) -> Described<'_> {
    Described {
        listen: &config.listen,
        has_tls,
        tokens: &config.tokens,
        terms: &config.terms,
        enrolment: &config.enrolment,
        batches_and_files: &config.batches_and_files,
    }
}

fn handler_parts(config: &Config, parts: &ServiceParts, relaying: Relaying, state: &AdminState) -> HandlerParts {
    HandlerParts {
        pipeline: relaying.pipeline,
        models: relaying.models,
        batches: relaying.batches,
        auth: Arc::clone(&parts.tokens.auth),
        issuer: Arc::clone(&state.issuer),
        leaks: Arc::clone(&parts.leaks),
        metrics: Arc::clone(&parts.telemetry.metrics),
        reports: parts.reports.clone(),
        proxies: TrustedProxies::new(config.trusted_proxies.clone()),
        cors: Cors::new(config.cors.clone()),
        hosts: HostCheck::at(config.listen.address, &state.hosts),
        protocol: protocol::describe(&described(config, state.tls.is_some())).to_string().into(),
        body_timeout: config.listen.request_timeout,
    }
}

fn issuer(config: &Config, parts: &ServiceParts) -> Issuer {
    let (keys, clock) = (&parts.tokens.keys, &parts.clock);
    let db_requests = parts.opened.db_requests.clone();
    let device_keys = DeviceKeys::of(config.enrolment.keys, Arc::clone(keys), db_requests, Arc::clone(clock));
    Issuer::new(
        Arc::clone(keys),
        Arc::clone(clock),
        config.tokens.clone(),
        config.terms.clone(),
        (config.enrolment.clone(), device_keys),
        parts.govern.access.clone(),
    )
}

fn reloadable(config: &Config, parts: &ServiceParts, issuer: &Arc<Issuer>, relaying: &Relaying) -> Reloadable {
    Reloadable {
        overrides: Arc::clone(&parts.govern.access.overrides),
        budgets: parts.govern.budgets.clone(),
        issuer: Arc::clone(issuer),
        key: relaying.renewal.is_none().then(|| Arc::clone(&relaying.swap)),
        admin_token: Arc::new(ArcSwapOption::from_pointee(config.admin.token.clone())),
        prices: Arc::clone(&parts.prices),
        hosts: Arc::new(ArcSwap::from_pointee(config.hosts.clone())),
        settings: Arc::new(ArcSwap::from_pointee(config.shown.clone())),
        metrics: Arc::new(ReloadMetrics::default()),
    }
}

fn admin_state(
    config: &Config,
    parts: &ServiceParts,
    tls: Option<Arc<Tls>>,
    reloadable: &Reloadable,
    relaying: &Relaying,
) -> AdminState {
    let ServiceParts { tokens, govern, opened, telemetry, .. } = parts;
    let page = MetricsPage::starting_now()
        .with(&telemetry.metrics)
        .with(&telemetry.unpriced)
        .with(&tokens.keys)
        .with(&reloadable.issuer)
        .with(&relaying.probe)
        .with(&relaying.renewal);
    let page = page.with(&tls).with(&telemetry.otlp).with(&govern.access.revocations).with(&opened.limiter);
    let page = page.with(&govern.budgets).with(&govern.breaker).with(&parts.leaks).with(&opened.usage);
    AdminState {
        database: opened.database.clone(),
        budgets: govern.budgets.clone(),
        breaker: govern.breaker.clone(),
        tls,
        sync: Arc::clone(&opened.sync),
        access: govern.access.clone(),
        auth: Arc::clone(&tokens.auth),
        issuer: Arc::clone(&reloadable.issuer),
        metrics: Arc::new(page.with(&reloadable.metrics)),
        hosts: Arc::clone(&reloadable.hosts),
        settings: Arc::clone(&reloadable.settings),
        token: Arc::clone(&reloadable.admin_token),
        clock: Arc::clone(&parts.clock),
        token_life: config.tokens.lifetime,
    }
}
