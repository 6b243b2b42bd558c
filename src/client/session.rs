//! The state that the parts of a running client share: the token, the device id, and the status built from them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::credential::{Freshness, WrapperToken};
use super::device::LocalDevice;
use super::error::ClientError;
use super::service_api::Issued;
use super::status::{ClientState, Event, Level, Status, Storage};
use crate::clock::Clock;
use crate::lock::lock;

/// Receives events for the app. Called on the client's own thread; it must not block.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// The token in use.
#[derive(Clone)]
pub struct Installed {
    /// The token, as the service issued it.
    pub token: Arc<WrapperToken>,
    /// Counts the tokens of this run: a request can tell whether the token it used has been replaced since.
    pub generation: u64,
}

/// The shared state of one running client.
pub struct Session {
    inner: Mutex<SessionState>,
    clock: Arc<dyn Clock>,
    refresh_before: Duration,
    events: EventSink,
}

struct SessionState {
    device: LocalDevice,
    installed: Option<Installed>,
    refreshing: bool,
    revoked: bool,
    closed: bool,
    storage: Storage,
    clock_skew_ms: Option<i64>,
    bound: Option<SocketAddr>,
    last_error: Option<ClientError>,
}

impl Session {
    /// The state before the first token.
    #[must_use]
    pub fn new(device: LocalDevice, clock: Arc<dyn Clock>, refresh_before: Duration, events: EventSink) -> Self {
        let inner = SessionState {
            device,
            installed: None,
            refreshing: false,
            revoked: false,
            closed: false,
            storage: Storage::Memory,
            clock_skew_ms: None,
            bound: None,
            last_error: None,
        };
        Self { inner: Mutex::new(inner), clock, refresh_before, events }
    }

    /// The token in use, and whether it can be used now.
    #[must_use]
    pub fn installed(&self) -> Option<(Installed, Freshness)> {
        let installed = self.lock().installed.clone()?;
        let freshness = installed.token.freshness(self.clock.now(), self.refresh_before);
        Some((installed, freshness))
    }

    /// Changes the device id in use.
    pub fn set_device(&self, device: LocalDevice) {
        self.change(|inner| inner.device = device);
    }

    /// The generation of the token in use; 0 without one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.lock().installed.as_ref().map_or(0, |installed| installed.generation)
    }

    /// The token in use, whether it has expired or not.
    #[must_use]
    pub fn token(&self) -> Option<Arc<WrapperToken>> {
        self.lock().installed.as_ref().map(|installed| Arc::clone(&installed.token))
    }

    /// Whether the client has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Replaces the token by a new one. The former token was in use until now.
    pub fn install(&self, issued: Issued) -> Arc<WrapperToken> {
        let token = Arc::new(issued.token);
        self.change(|inner| {
            let generation = inner.installed.as_ref().map_or(1, |former| former.generation + 1);
            inner.installed = Some(Installed { token: Arc::clone(&token), generation });
            inner.revoked = false;
            inner.last_error = None;
            inner.clock_skew_ms = issued.clock_skew_ms.or(inner.clock_skew_ms);
        });
        token
    }

    /// Marks the beginning or the end of an attempt to get a token.
    pub fn set_refreshing(&self, refreshing: bool) {
        self.change(|inner| inner.refreshing = refreshing);
    }

    /// Records a failed attempt. A token that still lives stays in use.
    pub fn failed(&self, error: &ClientError) {
        self.change(|inner| {
            inner.revoked = error.is_final();
            inner.last_error = Some(error.clone());
        });
        (self.events)(Event::Error(error.clone()));
    }

    /// Records where the token is stored.
    pub fn set_storage(&self, storage: Storage) {
        self.change(|inner| inner.storage = storage);
    }

    /// Records the address that the proxy listens on.
    pub fn set_bound(&self, bound: Option<SocketAddr>) {
        self.change(|inner| inner.bound = bound);
    }

    /// Drops the token and closes the session for good.
    pub fn close(&self) {
        self.change(|inner| {
            inner.closed = true;
            inner.bound = None;
            inner.installed = None;
        });
    }

    /// The status at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status_of(&self.lock())
    }

    /// Sends a line for the app's log.
    pub fn log(&self, level: Level, message: &'static str) {
        (self.events)(Event::Log(level, message));
    }

    /// Changes the state, and sends the new status to the app if it differs visibly.
    fn change(&self, change: impl FnOnce(&mut SessionState)) {
        let mut inner = self.lock();
        let before = self.status_of(&inner);
        change(&mut inner);
        let after = self.status_of(&inner);
        drop(inner);
        let shows = before.state != after.state
            || before.storage != after.storage
            || before.expires_at != after.expires_at
            || before.bound != after.bound
            || before.device != after.device;
        if shows {
            (self.events)(Event::Status(after));
        }
    }

    fn status_of(&self, inner: &SessionState) -> Status {
        let token = inner.installed.as_ref().map(|installed| &installed.token);
        let expired = token.is_none_or(|token| token.is_expired(self.clock.now()));
        let state = if inner.closed {
            ClientState::Closed
        } else if inner.revoked {
            ClientState::Revoked
        } else if inner.refreshing {
            ClientState::Refreshing
        } else if expired {
            ClientState::Expired
        } else if inner.last_error.is_some() {
            ClientState::Offline
        } else {
            ClientState::Ready
        };
        Status {
            state,
            expires_at: token.map(|token| token.expires_at()),
            refresh_at: token.map(|token| token.due_at(self.refresh_before)),
            storage: inner.storage,
            device: inner.device.clone(),
            clock_skew_ms: inner.clock_skew_ms,
            bound: inner.bound,
            last_error: inner.last_error.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SessionState> {
        lock(&self.inner)
    }
}
