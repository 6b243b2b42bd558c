//! The state that the parts of a running client share: the token, the device id, and the status built from them.

mod state;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

pub use self::state::Installed;
use self::state::{Life, SessionState};
use super::credential::{Freshness, Issued, WrapperToken};
use super::device::LocalDevice;
use super::error::ClientError;
use super::status::{Event, EventSink, Level, Network, Status, Storage};
use crate::clock::Clock;
use crate::lock::lock;

/// The shared state of one running client.
pub struct Session {
    inner: Mutex<SessionState>,
    clock: Arc<dyn Clock>,
    refresh_before: Duration,
    events: EventSink,
}

impl Session {
    /// The state before the first token.
    #[must_use]
    pub fn new(
        device: LocalDevice,
        service: String,
        network: Network,
        clock: Arc<dyn Clock>,
        refresh_before: Duration,
        events: EventSink,
    ) -> Self {
        Self { inner: Mutex::new(SessionState::new(device, service, network)), clock, refresh_before, events }
    }

    /// The token in use, and whether it can be used now.
    #[must_use]
    pub fn installed(&self) -> Option<(Installed, Freshness)> {
        let installed = self.lock().installed.clone()?;
        let freshness = self.freshness(&installed.token);
        Some((installed, freshness))
    }

    /// Whether `token` can be used now, and whether it is due.
    #[must_use]
    pub fn freshness(&self, token: &WrapperToken) -> Freshness {
        token.freshness(self.clock.now(), self.refresh_before)
    }

    /// Changes the device id in use.
    pub fn set_device(&self, device: LocalDevice) {
        self.change(|inner| inner.device = device);
    }

    /// Records the base URL of the service that requests go to. True if it is another one than before.
    pub fn use_service(&self, service: &str) -> bool {
        let mut is_news = false;
        self.change(|inner| {
            is_news = inner.service != service;
            if is_news {
                service.clone_into(&mut inner.service);
            }
        });
        is_news
    }

    /// Records through which HTTP proxy, shown without credentials, the service is reached.
    pub fn use_proxy(&self, proxy: Option<String>) {
        self.change(|inner| inner.network.proxy = proxy);
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
        self.lock().life == Life::Closed
    }

    /// Whether the service refuses this device.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.lock().revoked
    }

    /// Why the service could not be reached when it was last asked; `None` if it was.
    #[must_use]
    pub fn link_error(&self) -> Option<ClientError> {
        self.lock().link_error.clone()
    }

    /// How often the service has answered a request or a check. A failure of one that began before the latest answer says
    /// nothing about the service.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.lock().answers
    }

    /// Why the keychain is out of use; `None` if it is in use, or not wanted.
    #[must_use]
    pub fn keychain_error(&self) -> Option<ClientError> {
        self.lock().keychain_error.clone()
    }

    /// Replaces the token by a new one, which ends an attempt. The former token was in use until now.
    pub fn install(&self, issued: Issued) -> Arc<WrapperToken> {
        let token = Arc::new(issued.token);
        self.change(|inner| {
            let generation = inner.installed.as_ref().map_or(1, |former| former.generation + 1);
            inner.installed = Some(Installed { token: Arc::clone(&token), generation });
            inner.refreshing = false;
            inner.revoked = false;
            inner.token_error = None;
            inner.retry_at = None;
            inner.clock_skew_ms = issued.clock_skew_ms.or(inner.clock_skew_ms);
        });
        token
    }

    /// Marks the beginning or the end of an attempt to get a token.
    pub fn set_refreshing(&self, refreshing: bool) {
        self.change(|inner| inner.refreshing = refreshing);
    }

    /// Records a failed attempt to get a token, and when the next one is made. A token that still lives stays in use. A
    /// refusal is told to the app once, and no other failure ends it.
    pub fn failed(&self, error: &ClientError, retry_at: Option<SystemTime>) {
        let mut is_known = false;
        self.change(|inner| {
            is_known = error.is_refusal() && inner.revoked;
            inner.refreshing = false;
            inner.revoked |= error.is_refusal();
            inner.token_error = Some(error.clone());
            inner.retry_at = retry_at;
        });
        if !is_known {
            (self.events)(Event::Error(error.clone()));
        }
    }

    /// Records a fault of valetkey itself, which ends the client.
    pub fn broke(&self, error: ClientError) {
        self.change(|inner| inner.token_error = Some(error.clone()));
        (self.events)(Event::Error(error));
    }

    /// Records that the service still refuses this device, for the reason of the last attempt.
    pub fn refused_again(&self, error: &ClientError) {
        self.change(|inner| {
            inner.revoked = true;
            inner.token_error = Some(error.clone());
        });
    }

    /// Records that a request succeeded that began while the device counted as revoked: the service lets it in again.
    pub fn admitted(&self) {
        self.change(|inner| {
            inner.revoked = false;
            if inner.token_error.as_ref().is_some_and(ClientError::is_refusal) {
                (inner.token_error, inner.retry_at) = (None, None);
            }
        });
    }

    /// Records that a request or a check did not reach the service. Of one outage only the first is told to the app;
    /// for that one the result is true.
    pub fn unreached(&self, error: ClientError) -> bool {
        let mut is_news = false;
        self.change(|inner| {
            is_news = inner.link_error.is_none() && inner.life == Life::Running;
            inner.link_error = Some(error.clone());
        });
        if is_news {
            (self.events)(Event::Error(error));
        }
        is_news
    }

    /// Records that the service answered. True if that ends an outage.
    pub fn reached(&self) -> bool {
        let mut inner = self.lock();
        inner.answers += 1;
        let is_news = inner.link_error.is_some();
        drop(inner);
        if is_news {
            self.change(|inner| inner.link_error = None);
            self.log(Level::Info, "The service can be reached again");
        }
        is_news
    }

    /// Records where the token is stored, or will be.
    pub fn set_storage(&self, storage: Storage) {
        let mut former = None;
        self.change(|inner| {
            inner.storage = storage;
            former = inner.keychain_error.take();
        });
        if former.is_some() {
            self.log(Level::Info, "The keychain can be used again");
        }
    }

    /// Records that the keychain failed, so that the token is in memory only. What lasts is told to the app once.
    pub fn keychain_failed(&self, error: ClientError) {
        let mut is_news = false;
        self.change(|inner| {
            is_news = inner.keychain_error.as_ref().is_none_or(|former| former.code() != error.code());
            inner.storage = Storage::Memory;
            inner.keychain_error = Some(error.clone());
        });
        if is_news {
            (self.events)(Event::Error(error));
        }
    }

    /// Records the address that the proxy listens on.
    pub fn set_bound(&self, bound: SocketAddr) {
        self.change(|inner| inner.bound = Some(bound));
    }

    /// Says that the client takes no new connections. Open requests still use the token.
    pub fn closing(&self) {
        self.change(|inner| {
            if inner.life == Life::Running {
                inner.life = Life::Closing;
            }
            inner.bound = None;
        });
    }

    /// Drops the token and closes the session for good.
    pub fn close(&self) {
        self.change(|inner| {
            inner.life = Life::Closed;
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
    pub fn log(&self, level: Level, message: impl Into<Cow<'static, str>>) {
        (self.events)(Event::Log(level, message.into()));
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
            || before.service != after.service
            || before.network != after.network
            || before.device != after.device;
        if shows {
            (self.events)(Event::Status(after));
        }
    }

    fn status_of(&self, inner: &SessionState) -> Status {
        inner.status(self.clock.now(), self.refresh_before)
    }

    fn lock(&self) -> MutexGuard<'_, SessionState> {
        lock(&self.inner)
    }
}
