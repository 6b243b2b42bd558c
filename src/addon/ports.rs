//! The parts of this machine that a client uses.

use std::path::PathBuf;
use std::sync::Arc;

use crate::client::ClientPorts;
use crate::client::config::ClientConfig;
use crate::client::device::system_machine_id;
use crate::client::keychain::{KeychainLimits, OsStore};
use crate::client::renewal_lock::user_folder;
use crate::client::status::EventSink;
use crate::clock::SystemClock;
use crate::transport::next_hop::SystemProxies;

/// The real parts for a client of `config`. Nothing is opened yet.
pub(super) fn ports(config: &ClientConfig, events: EventSink) -> ClientPorts {
    ClientPorts {
        clock: Arc::new(SystemClock),
        store: Box::new(OsStore::new(&config.app_id)),
        keychain_limits: KeychainLimits::default(),
        lock_folder: user_folder(),
        machine_id: system_machine_id,
        extra_ca_certs: extra_ca_certs(),
        system_proxies: Arc::new(SystemProxies::read),
        events,
    }
}

/// The file that `NODE_EXTRA_CA_CERTS` names.
pub(super) fn extra_ca_certs() -> Option<PathBuf> {
    std::env::var_os("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty()).map(Into::into)
}
