//! The facts behind the status of a running client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::client::credential::WrapperToken;
use crate::client::device::LocalDevice;
use crate::client::error::ClientError;
use crate::client::status::{ClientState, Network, Status, Storage};

/// The token in use.
#[derive(Clone)]
pub struct Installed {
    /// The token, as the service issued it.
    pub token: Arc<WrapperToken>,
    /// Counts the tokens of this run: a request can tell whether the token it used has been replaced since.
    pub generation: u64,
}

pub(super) struct SessionState {
    pub device: LocalDevice,
    /// The base URL of the service that requests go to.
    pub service: String,
    pub installed: Option<Installed>,
    pub network: Network,
    pub storage: Storage,
    pub refreshing: bool,
    pub revoked: bool,
    pub life: Life,
    pub clock_skew_ms: Option<i64>,
    pub bound: Option<SocketAddr>,
    /// Why the last attempt to get a token failed.
    pub token_error: Option<ClientError>,
    /// When the next attempt is made after one that failed.
    pub retry_at: Option<SystemTime>,
    /// How often the service has answered a request or a check.
    pub answers: u64,
    /// Why the service could not be reached when it was last asked.
    pub link_error: Option<ClientError>,
    /// Why the keychain is out of use.
    pub keychain_error: Option<ClientError>,
}

/// How far the end of a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// No new connections; open requests may finish.
    Closing,
    Closed,
}

impl SessionState {
    /// The state before the first token.
    #[must_use]
    pub(super) fn new(device: LocalDevice, service: String, network: Network) -> Self {
        Self {
            device,
            service,
            installed: None,
            network,
            storage: Storage::Memory,
            refreshing: false,
            revoked: false,
            life: Life::Running,
            clock_skew_ms: None,
            bound: None,
            token_error: None,
            retry_at: None,
            answers: 0,
            link_error: None,
            keychain_error: None,
        }
    }

    #[must_use]
    pub(super) fn status(&self, now: SystemTime, refresh_before: Duration) -> Status {
        let token = self.installed.as_ref().map(|installed| &installed.token);
        let last_error = self.token_error.as_ref().or(self.link_error.as_ref()).or(self.keychain_error.as_ref());
        Status {
            state: self.state(now),
            service: self.service.clone(),
            expires_at: token.map(|token| token.expires_at()),
            refresh_at: token.map(|token| token.due_at(refresh_before)),
            retry_at: self.retry_at,
            storage: self.storage,
            network: self.network.clone(),
            device: self.device.clone(),
            clock_skew_ms: self.clock_skew_ms,
            bound: self.bound,
            last_error: last_error.cloned(),
        }
    }

    fn state(&self, now: SystemTime) -> ClientState {
        let expired = self.installed.as_ref().is_none_or(|installed| installed.token.is_expired(now));
        if self.life != Life::Running {
            ClientState::Closed
        } else if self.revoked {
            ClientState::Revoked
        } else if self.refreshing {
            ClientState::Refreshing
        } else if expired {
            ClientState::Expired
        } else if self.token_error.is_some() || self.link_error.is_some() {
            ClientState::Offline
        } else {
            ClientState::Ready
        }
    }
}
