//! One address of the service, such as that of a region.

use std::sync::Arc;

use url::Url;

use crate::transport::origin::Origin;
use crate::wire::names::{BOOTSTRAP_PATH, HEALTH_PATH};

/// An address of the service: tokens are issued, and health is told, below it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The base URL: the bootstrap URL without `/bootstrap`.
    pub service: Arc<Origin>,
    /// The URL ending in `/bootstrap`.
    pub bootstrap_url: Url,
    /// The URL of the health check.
    pub health_url: Url,
}

impl Endpoint {
    /// The endpoint of a region that the service has announced by its base URL.
    #[must_use]
    pub fn announced(service: Arc<Origin>) -> Self {
        let (bootstrap_url, health_url) = (service.join(BOOTSTRAP_PATH), service.join(HEALTH_PATH));
        Self { service, bootstrap_url, health_url }
    }

    /// Whether a token of this endpoint may be sent to `origin`, which must be as well protected as the endpoint itself.
    #[must_use]
    pub fn trusts(&self, origin: &Origin) -> bool {
        origin.is_tls() || (!self.service.is_tls() && origin.is_loopback())
    }
}
