//! The connections to the service, at the origin that the present token names.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::lock::lock;
use crate::transport::connect::{Connector, HttpVersion};
use crate::transport::origin::Origin;
use crate::transport::tls::tls_config;
use crate::transport::upstream::Upstream;

/// Gives requests their connections; shared by all requests of the proxy.
pub(super) struct ServiceLink {
    tls: Option<rustls::ClientConfig>,
    upstream: Mutex<Option<Upstream>>,
}

impl ServiceLink {
    #[must_use]
    pub(super) fn new(tls: Option<rustls::ClientConfig>) -> Self {
        Self { tls, upstream: Mutex::default() }
    }

    /// The connections to `origin`; new ones if the service has named another origin.
    pub(super) fn at(&self, origin: &Arc<Origin>) -> Upstream {
        let mut slot = lock(&self.upstream);
        match &*slot {
            Some(upstream) if upstream.origin() == origin.as_ref() => upstream.clone(),
            _ => {
                // A service on this machine without TLS may send its clients to another one with TLS.
                let missing = origin.is_tls() && self.tls.is_none();
                let tls = if missing { tls_config(None).ok() } else { self.tls.clone() };
                let connector = Connector::new(Arc::clone(origin), tls, HttpVersion::Auto, CONNECT).with_system_proxy();
                slot.insert(Upstream::new(connector)).clone()
            }
        }
    }

    /// Drops the pooled connections: after a sleep, or on another network, they may be dead without notice. Streams on
    /// them go on.
    pub(super) fn forget(&self) {
        *lock(&self.upstream) = None;
    }
}

const CONNECT: Duration = Duration::from_secs(10);
