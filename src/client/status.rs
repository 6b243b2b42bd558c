//! What an app can know about the proxy, and what it is told.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::device::Device;
use super::error::ClientError;

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A token is held and good.
    Ready,
    /// A newer token is being fetched.
    Refreshing,
    /// The service cannot be reached; a token that still lives is used.
    Offline,
    /// No usable token, and none to be had at the moment.
    Expired,
    /// The service refuses this device.
    Revoked,
    /// Closed.
    Closed,
}

impl State {
    /// As JavaScript sees it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Refreshing => "refreshing",
            Self::Offline => "offline",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Closed => "closed",
        }
    }
}

/// Where the token is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In the keychain.
    Keychain,
    /// In memory only.
    Memory,
}

impl Storage {
    /// As JavaScript sees it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::Memory => "memory",
        }
    }
}

/// One look at everything.
#[derive(Debug, Clone)]
pub struct Status {
    /// How things stand.
    pub state: State,
    /// Who we are to the service.
    pub device: Device,
    /// When the token expires.
    pub expires_at: Option<SystemTime>,
    /// When it is due for a refresh.
    pub refresh_at: Option<SystemTime>,
    /// Where it is kept.
    pub storage: Storage,
    /// How far this machine's clock is ahead of the service's.
    pub clock_skew_ms: Option<i64>,
    /// Where the proxy listens; `None` once it does not.
    pub bound: Option<SocketAddr>,
    /// The last failure that has not been overcome.
    pub last_error: Option<ClientError>,
}

/// What an app is told without asking.
#[derive(Debug, Clone)]
pub enum Event {
    /// Something in the status changed.
    Status(Status),
    /// Something failed in the background.
    Error(ClientError),
    /// Something worth a line in the app's log.
    Log(Level, &'static str),
}

/// How important a log event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For finding faults.
    Debug,
    /// Worth knowing.
    Info,
    /// Degraded.
    Warn,
}

impl Level {
    /// As JavaScript sees it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
        }
    }
}
