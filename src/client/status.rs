//! The status of a proxy and the events that an app gets.

use std::net::SocketAddr;
use std::time::SystemTime;

use super::device::LocalDevice;
use super::error::ClientError;

/// The overall state of the proxy; the first that applies of closed, revoked, refreshing, expired, offline, ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientState {
    /// There is a usable token.
    Ready,
    /// A newer token is being fetched; the present one is used meanwhile.
    Refreshing,
    /// The last attempt failed; the present token is used while it lives.
    Offline,
    /// There is no usable token at the moment.
    Expired,
    /// The service refuses this device.
    Revoked,
    /// The proxy is closed for good.
    Closed,
}

impl ClientState {
    /// The state as JavaScript spells it.
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

/// Where the token is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In the keychain: the next start finds it.
    Keychain,
    /// In memory only: the next start needs a new one.
    Memory,
}

impl Storage {
    /// The place as JavaScript spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::Memory => "memory",
        }
    }
}

/// All facts about the proxy at one moment.
#[derive(Debug, Clone)]
pub struct Status {
    /// The overall state of the proxy.
    pub state: ClientState,
    /// The device id in use.
    pub device: LocalDevice,
    /// When the token expires; `None` without one.
    pub expires_at: Option<SystemTime>,
    /// When the token is due for a refresh.
    pub refresh_at: Option<SystemTime>,
    /// Where the token is stored.
    pub storage: Storage,
    /// Milliseconds by which this machine's clock is ahead of the service's.
    pub clock_skew_ms: Option<i64>,
    /// The address that the proxy listens on; `None` once it is closed.
    pub bound: Option<SocketAddr>,
    /// The last failure, until an attempt succeeds.
    pub last_error: Option<ClientError>,
}

/// An event that an app gets.
#[derive(Debug, Clone)]
pub enum Event {
    /// The status has changed; this is the new one.
    Status(Status),
    /// An attempt in the background failed.
    Error(ClientError),
    /// A line for the app's log.
    Log(Level, &'static str),
}

/// How important a log event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Helps to find faults.
    Debug,
    /// Normal, and worth knowing.
    Info,
    /// Something works worse than it should.
    Warn,
}

impl Level {
    /// The level as JavaScript spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
        }
    }
}
