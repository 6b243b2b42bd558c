//! What the parts of a running client share: the token, and how things stand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::credential::{Freshness, WrapperToken};
use super::device::Device;
use super::error::ClientError;
use super::service_api::Issued;
use super::status::{Event, Level, State, Status, Storage};
use crate::clock::Clock;

/// Tells the app. Called from the client's own thread; it must not wait.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// The state of one running client.
pub struct Session {
    inner: Mutex<Inner>,
    clock: Arc<dyn Clock>,
    refresh_before: Duration,
    events: EventSink,
}

struct Inner {
    device: Device,
    token: Option<Arc<WrapperToken>>,
    generation: u64,
    refreshing: bool,
    revoked: bool,
    closed: bool,
    storage: Storage,
    clock_skew_ms: Option<i64>,
    bound: Option<SocketAddr>,
    last_error: Option<ClientError>,
}

impl Session {
    /// Nothing is held yet.
    #[must_use]
    pub fn new(device: Device, clock: Arc<dyn Clock>, refresh_before: Duration, events: EventSink) -> Self {
        let inner = Inner {
            device,
            token: None,
            generation: 0,
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

    /// The token and whether it can be used now.
    #[must_use]
    pub fn token(&self) -> Option<(Arc<WrapperToken>, Freshness)> {
        let token = self.lock().token.clone()?;
        let freshness = token.freshness(self.clock.now(), self.refresh_before);
        Some((token, freshness))
    }

    /// Who we are to the service.
    #[must_use]
    pub fn device(&self) -> Device {
        self.lock().device.clone()
    }

    /// We are somebody else to the service from now on.
    pub fn set_device(&self, device: Device) {
        self.change(|inner| inner.device = device);
    }

    /// The generation of the token that is held; 0 when there is none.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.lock().token.as_ref().map_or(0, |token| token.generation)
    }

    /// Whether the service refuses this device.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.lock().revoked
    }

    /// Whether the client has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes a new token over. The one before was good until now and is dropped only here.
    pub fn install(&self, issued: Issued) -> Arc<WrapperToken> {
        self.change(|inner| {
            inner.generation += 1;
            let token = Arc::new(WrapperToken { generation: inner.generation, ..issued.token });
            inner.token = Some(Arc::clone(&token));
            inner.revoked = false;
            inner.last_error = None;
            inner.clock_skew_ms = issued.clock_skew_ms.or(inner.clock_skew_ms);
            token
        })
    }

    /// An attempt to get a token begins or ends.
    pub fn set_refreshing(&self, refreshing: bool) {
        self.change(|inner| inner.refreshing = refreshing);
    }

    /// An attempt failed. A token that still lives stays in use.
    pub fn failed(&self, error: &ClientError) {
        self.change(|inner| {
            inner.revoked = error.is_final();
            inner.last_error = Some(error.clone());
        });
        (self.events)(Event::Error(error.clone()));
    }

    /// Where the token is kept now.
    pub fn set_storage(&self, storage: Storage) {
        self.change(|inner| inner.storage = storage);
    }

    /// Where the proxy listens.
    pub fn set_bound(&self, bound: Option<SocketAddr>) {
        self.change(|inner| inner.bound = bound);
    }

    /// The end.
    pub fn close(&self) {
        self.change(|inner| {
            inner.closed = true;
            inner.bound = None;
            inner.token = None;
        });
    }

    /// How things stand.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status_of(&self.lock())
    }

    /// A line for the app's log.
    pub fn log(&self, level: Level, message: &'static str) {
        (self.events)(Event::Log(level, message));
    }

    /// Changes something and tells the app when that shows.
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        let before = self.status_of(&inner);
        let result = change(&mut inner);
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
        result
    }

    fn status_of(&self, inner: &Inner) -> Status {
        let token = inner.token.as_ref();
        let expired =
            token.is_none_or(|token| token.freshness(self.clock.now(), self.refresh_before) == Freshness::Expired);
        let state = if inner.closed {
            State::Closed
        } else if inner.revoked {
            State::Revoked
        } else if inner.refreshing {
            State::Refreshing
        } else if expired {
            State::Expired
        } else if inner.last_error.is_some() {
            State::Offline
        } else {
            State::Ready
        };
        Status {
            state,
            device: inner.device.clone(),
            expires_at: token.map(|token| token.expires_at()),
            refresh_at: token.map(|token| token.due_at(self.refresh_before)),
            storage: inner.storage,
            clock_skew_ms: inner.clock_skew_ms,
            bound: inner.bound,
            last_error: inner.last_error.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
