//! Looks whether a service can be reached the way a client would reach it, for `diagnostics()` and `valetkey doctor`.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use super::config::ClientConfig;
use super::error::ClientError;
use super::network::prepare;
use super::proxies::Proxies;
use super::service_link::ServiceLink;
use super::status::{EventSink, Network};
use crate::clock::{SystemClock, millis};
use crate::transport::next_hop::SystemProxies;

/// What a look at a service found.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceCheck {
    /// How requests leave this machine.
    pub network: Network,
    /// How long the service took to answer, or the look to fail, in milliseconds.
    pub ms: u64,
    /// Why the service cannot be used; `None` if it is healthy.
    pub error: Option<ClientError>,
}

/// Asks the service of `config`, the first if it has several addresses, for its health, over a connection as requests use it. Lines
/// for the log go to `events`.
pub async fn check_service(
    config: &ClientConfig,
    extra_ca_certs: Option<&Path>,
    events: &EventSink,
) -> Result<ServiceCheck, ClientError> {
    let origin = Arc::clone(&config.endpoints[0].service);
    let proxies = Proxies::new(&config.proxy, Arc::new(SystemProxies::read), vec![Arc::clone(&origin)]);
    let (tls, network) = prepare(&origin, &proxies, &config.ca, extra_ca_certs, events)
        .map_err(|error| ClientError::Internal(error.to_string()))?;
    let link = ServiceLink::new(tls, Arc::new(SystemClock), proxies, None);
    let began = Instant::now();
    let error = match link.reaches(&origin).await {
        Ok(true) => None,
        Ok(false) => {
            Some(ClientError::Unhealthy(format!("{}: something else than valetkey answers", link.way_to(&origin))))
        }
        Err(error) => Some(error),
    };
    Ok(ServiceCheck { network, ms: millis(began.elapsed()), error })
}
