//! Checks whether DNS knows the upstream's name.

use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Finding;
use crate::transport::origin::Origin;

pub(super) async fn examine(origin: &Origin, patience: Duration) -> Finding {
    let (host, port) = (origin.host(), origin.connect_uri().port_u16().unwrap_or_default());
    match timeout(patience, lookup_host((host.as_str(), port))).await {
        Ok(Ok(addresses)) => match addresses.count() {
            0 => Finding::problem(CHECK, format!("{host} has no address"), ADVICE),
            count => Finding::ok(CHECK, format!("{host} is known; addresses: {count}")),
        },
        Ok(Err(error)) => Finding::problem(CHECK, format!("{host} is not known: {error}"), ADVICE),
        Err(_) => {
            Finding::problem(CHECK, format!("nobody says within {} s what {host} is", patience.as_secs()), ADVICE)
        }
    }
}

const CHECK: &str = "dns";
const ADVICE: &str = "look at ANTHROPIC_BASE_URL and at this machine's DNS (/etc/resolv.conf)";
