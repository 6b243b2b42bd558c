//! Builds the service: every part once, each given what it works with.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::admin::{self, Desk};
use super::auth::Auth;
use super::breaker::{self, Breaker};
use super::client_address::TrustedProxies;
use super::config::{BootstrapMode, Config, SigningSecret};
use super::control::Control;
use super::endpoint::Parts;
use super::gates::Gates;
use super::issue::Issuer;
use super::keyring::{KeyList, KeyReload, KeyRing};
use super::leak::{Leaks, Responder};
use super::metrics::Metrics;
use super::pipeline::Pipeline;
use super::prices::Prices;
use super::protocol;
use super::revocation::Revocations;
use super::rules::DeviceRules;
use super::signing_file;
use super::standing::Standing;
use super::upstream;
use super::usage::UsageSinks;
use super::{Ports, Service, StartError};
use crate::transport::cors::Cors;

impl Service {
    /// Builds the service and binds its port.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn build(config: Config, ports: Ports) -> Result<Self, StartError> {
        let settings = Arc::new(admin::settings(&config));
        let protocol = protocol::describe(&config.listen, &config.tokens, &config.enrolment);
        let (keys, reload) = signing_keys(config.signing)?;
        let token_life = config.tokens.lifetime;
        let standing = Standing {
            rules: Arc::new(DeviceRules::new(config.limits)),
            revocations: Arc::new(Revocations::new(config.admin.max_staleness)),
        };
        let control = Control::open(&config.stores, &config.admin, standing.clone(), &ports.clock)?;
        let opened = &control.opened;
        let (leaks, suspicions) = Leaks::start(&config.leaks, Arc::clone(&ports.clock), opened.limiter.exchange());
        let can_enrol = config.enrolment.mode != BootstrapMode::Closed;
        let gates = Arc::new(Gates {
            standing: standing.clone(),
            leaks: Arc::clone(&leaks),
            limiter: opened.limiter.clone(),
            breaker: Breaker::new(breaker::Settings::default()),
        });
        let metrics = Arc::new(Metrics::default());
        let sinks = UsageSinks::new(vec![ports.usage, Arc::clone(&metrics) as _, Arc::clone(&opened.usage) as _]);
        let auth = Arc::new(Auth::new(Arc::clone(&keys), Arc::clone(&ports.clock), config.tokens.clone()));
        let pipeline = Pipeline::new(
            Arc::clone(&auth),
            (Arc::clone(&gates), Arc::new(Prices::shipped())),
            Arc::new(sinks),
            &config.listen,
            &config.upstream,
        );
        let issuer = Arc::new(Issuer::new(
            Arc::clone(&keys),
            Arc::clone(&ports.clock),
            config.tokens,
            config.terms,
            config.enrolment,
            standing.clone(),
        ));
        let desk = Desk {
            database: opened.database.clone(),
            gates,
            keys: Arc::clone(&keys),
            usage: Arc::clone(&opened.usage),
            sync: Arc::clone(&opened.sync),
            standing,
            auth: Arc::clone(&auth),
            issuer: Arc::clone(&issuer),
            metrics: Arc::clone(&metrics),
            settings,
            clock: ports.clock,
            token_life,
        };
        let responder = Responder::new(Arc::clone(&leaks), suspicions, desk.clone(), can_enrol);
        let parts = Arc::new(Parts {
            pipeline,
            auth,
            issuer,
            leaks,
            metrics,
            proxies: TrustedProxies::new(config.trusted_proxies),
            cors: Cors::new(config.cors),
            protocol: protocol.to_string().into(),
            body_timeout: config.listen.request_timeout,
        });
        let connector = upstream::connector(&config.upstream)?;
        let listener = bind(config.listen.address)
            .map_err(|source| StartError::Bind { address: config.listen.address, source })?;
        Ok(Self { listener, listen: config.listen, connector, parts, control, desk, responder, keys, reload })
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
