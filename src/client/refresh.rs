//! Step 5 of a token: keeps the token fresh.
//!
//! One task makes all attempts, so there is only one at a time, and a caller that stops waiting does not cancel it. The
//! task compares the wall clock at short intervals: a sleeping laptop stops its timers.

mod enrol;
mod request;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use self::request::RefreshRequest;
pub use self::request::{Refresher, Why};
use super::backoff::{Setback, random_fraction};
use super::config::ClientConfig;
use super::credential::{Freshness, WrapperToken};
use super::device::DeviceIds;
use super::device_key::DeviceKey;
use super::error::ClientError;
use super::service_api::{Issued, ServiceApi};
use super::session::Session;
use super::status::{Level, Storage};
use super::token_store::TokenStore;
use crate::clock::Clock;
use crate::wire::ErrorCode;

/// The task that makes all attempts to get a token.
pub struct RefreshLoop {
    asks: mpsc::UnboundedReceiver<RefreshRequest>,
    /// Asks that the attempt in progress must not answer.
    waiting: VecDeque<RefreshRequest>,
    parts: RefreshParts,
    /// The device's key, read at its first use.
    key: Option<Arc<DeviceKey>>,
    /// The key was made in this run, and the service has not seen it yet.
    key_is_new: bool,
    failures: u32,
    setback: Option<Setback>,
    last_rejection: Option<SystemTime>,
    early: f64,
}

/// The parts that the task works with.
pub struct RefreshParts {
    /// Makes the calls to the service.
    pub api: ServiceApi,
    /// The ids that this device can have.
    pub identity: DeviceIds,
    /// Holds the token and the device id in use.
    pub session: Arc<Session>,
    /// Stores the token and the device's key.
    pub token_store: TokenStore,
    /// The options of the app.
    pub config: Arc<ClientConfig>,
    /// The source of wall-clock time.
    pub clock: Arc<dyn Clock>,
}

impl RefreshLoop {
    /// The task, and a handle that asks it for tokens.
    #[must_use]
    pub fn new(parts: RefreshParts) -> (Refresher, Self) {
        let (refresher, asks) = Refresher::new();
        let task = Self {
            asks,
            waiting: VecDeque::new(),
            parts,
            key: None,
            key_is_new: false,
            failures: 0,
            setback: None,
            last_rejection: None,
            early: random_fraction(),
        };
        (refresher, task)
    }

    /// Runs until the client is closed or every handle is dropped.
    pub async fn run(mut self) {
        while !self.parts.session.is_closed() {
            if let Some(ask) = self.waiting.pop_front() {
                self.serve(ask).await;
                continue;
            }
            let next_look = self.until_next_look();
            tokio::select! {
                ask = self.asks.recv() => match ask {
                    Some(ask) => self.waiting.push_back(ask),
                    None => return,
                },
                () = tokio::time::sleep(next_look) => self.look().await,
            }
        }
    }

    /// Fetches the first token of a start, by the same steps as all later ones.
    pub async fn first(&mut self) -> Result<(), ClientError> {
        let read = self.read_key().await;
        let issued = self.enrol().await?;
        let token = self.install(issued);
        let (token_store, device) = (&self.parts.token_store, self.parts.session.device());
        let storage = match read {
            // The keychain has failed once; do not prompt the user a second time.
            Err(error) => token_store.without_keychain(error)?,
            Ok(()) if self.is_keyless(&device) => Storage::Memory,
            Ok(()) => token_store.save(&token, self.parts.config.bootstrap_url.as_str(), &device.id).await?,
        };
        self.parts.session.set_storage(storage);
        Ok(())
    }

    async fn serve(&mut self, ask: RefreshRequest) {
        if let Some(answer) = self.answer_at_once(ask.why) {
            // The caller may have stopped waiting.
            let _ = ask.done.send(answer);
            return;
        }
        if ask.why == Why::Resumed {
            self.setback.iter_mut().for_each(Setback::lift);
            self.look().await;
            let _ = ask.done.send(Ok(()));
            return;
        }
        let rejected = matches!(ask.why, Why::Rejected(_));
        let result = self.attempt(rejected).await;
        if rejected && result.is_ok() {
            self.last_rejection = Some(self.parts.clock.now());
        }
        let _ = ask.done.send(result.clone());
        self.answer_joined(&result, ask.why == Why::Forced);
    }

    /// Gives the result to the callers that asked during the attempt. An ask of the app itself is answered
    /// only by an attempt that was made for one.
    fn answer_joined(&mut self, result: &Result<(), ClientError>, forced: bool) {
        let mut asks = std::mem::take(&mut self.waiting);
        while let Ok(ask) = self.asks.try_recv() {
            asks.push_back(ask);
        }
        for ask in asks {
            if ask.why == Why::Resumed || (ask.why == Why::Forced && !forced) {
                self.waiting.push_back(ask);
            } else {
                let answer = self.answer_at_once(ask.why).unwrap_or_else(|| result.clone());
                let _ = ask.done.send(answer);
            }
        }
    }

    /// The answer to an ask that needs no attempt: there is a newer token already, or an attempt has just failed.
    fn answer_at_once(&self, why: Why) -> Option<Result<(), ClientError>> {
        let (Why::Aged(generation) | Why::Rejected(generation)) = why else { return None };
        if self.parts.session.generation() > generation {
            return Some(Ok(()));
        }
        let now = self.parts.clock.now();
        let recent = |at: SystemTime, within: Duration| now.duration_since(at).is_ok_and(|since| since < within);
        if let Some(setback) = &self.setback {
            // While the present token is usable, requests do not cut the wait short.
            let in_hand = matches!(why, Why::Aged(_)) && self.has_usable_token();
            if setback.error.is_final() || setback.holds_all(now) || (in_hand && setback.holds(now)) {
                return Some(Err(setback.error.clone()));
            }
        }
        // Otherwise a service that rejects every token it issues would be asked for a new one with each request.
        let rejecting =
            matches!(why, Why::Rejected(_)) && self.last_rejection.is_some_and(|at| recent(at, REJECTION_PAUSE));
        rejecting.then(|| Err(ClientError::Unhealthy("it rejects the token it has just issued".into())))
    }

    /// Fetches a token if it is due and no wait holds.
    async fn look(&mut self) {
        let now = self.parts.clock.now();
        let session = &self.parts.session;
        if self.setback.as_ref().is_some_and(|setback| setback.holds(now))
            || session.is_revoked()
            || session.is_closed()
        {
            return;
        }
        let due = match self.parts.session.installed() {
            Some((installed, Freshness::Fresh)) => now >= self.due_at(&installed.token),
            _ => true,
        };
        if due {
            let result = self.attempt(false).await;
            self.answer_joined(&result, false);
        }
    }

    async fn attempt(&mut self, rejected: bool) -> Result<(), ClientError> {
        self.parts.session.set_refreshing(true);
        let result = self.fetch(rejected).await;
        let result = result.map(|issued| self.succeeded(issued)).map_err(|error| self.failed(error));
        self.parts.session.set_refreshing(false);
        result
    }

    /// Trades in a token that still lives. Without one, or if the service rejects it, enrols the device again.
    async fn fetch(&mut self, rejected: bool) -> Result<Issued, ClientError> {
        let read = self.read_key().await;
        let living =
            self.parts.session.installed().filter(|(_, freshness)| *freshness != Freshness::Expired && !rejected);
        if let Some((living, _)) = living {
            let device = self.parts.session.device();
            match self.parts.api.refresh(&living.token, &device.id, self.key_of(&device)).await {
                Err(ClientError::Denied {
                    code: ErrorCode::TokenExpired | ErrorCode::TokenInvalid | ErrorCode::TokenOutdated,
                    ..
                }) => {}
                // The key may exist while the keychain cannot be read. The token lasts a while; try again later.
                Err(ClientError::Denied { code: ErrorCode::DeviceKeyMismatch, .. }) => read?,
                other => return other,
            }
        }
        self.enrol().await
    }

    fn succeeded(&mut self, issued: Issued) {
        self.failures = 0;
        self.setback = None;
        self.early = random_fraction();
        let token = self.install(issued);
        self.keep_in_background(token);
    }

    fn install(&self, issued: Issued) -> Arc<WrapperToken> {
        let session = &self.parts.session;
        if issued.clock_skew_ms.is_some_and(|skew| skew.abs() > NOTABLE_SKEW_MS) {
            session.log(Level::Warn, "This machine's clock differs from the service's by more than a minute");
        }
        session.install(issued)
    }

    fn has_usable_token(&self) -> bool {
        self.parts.session.installed().is_some_and(|(_, freshness)| freshness != Freshness::Expired)
    }

    /// Stores the token. Requests use it already, so a slow keychain delays none of them.
    fn keep_in_background(&self, token: Arc<WrapperToken>) {
        let (token_store, session) = (self.parts.token_store.clone(), Arc::clone(&self.parts.session));
        let device = session.device();
        if self.is_keyless(&device) {
            return;
        }
        let config = Arc::clone(&self.parts.config);
        tokio::spawn(async move {
            match token_store.save(&token, config.bootstrap_url.as_str(), &device.id).await {
                Ok(storage) => session.set_storage(storage),
                Err(_) => session.log(Level::Warn, "The token could not be kept in the keychain"),
            }
        });
    }

    fn failed(&mut self, error: ClientError) -> ClientError {
        self.failures = self.failures.saturating_add(1);
        self.setback = Some(Setback::new(self.failures, error.clone(), self.parts.clock.now()));
        self.parts.session.failed(&error);
        error
    }

    /// When to refresh: a random while before the token is due, so that devices that started together drift apart.
    fn due_at(&self, token: &WrapperToken) -> SystemTime {
        let due = token.due_at(self.parts.config.refresh_before);
        let life = due.duration_since(token.received_at).unwrap_or_default();
        due - life.min(self.parts.config.refresh_interval).mul_f64(self.early * JITTER)
    }

    fn until_next_look(&self) -> Duration {
        let now = self.parts.clock.now();
        let next = match (&self.setback, self.parts.session.installed()) {
            _ if self.parts.session.is_revoked() => now + LOOK_AT_LEAST,
            (Some(setback), _) if setback.holds(now) => setback.ends_at(),
            (_, Some((installed, _))) => self.due_at(&installed.token),
            (_, None) => now + LOOK_AT_LEAST,
        };
        let until = next.duration_since(now).unwrap_or_default();
        until.clamp(LOOK_AT_MOST, self.parts.config.refresh_interval.clamp(LOOK_AT_MOST, LOOK_AT_LEAST))
    }
}

/// The longest time between two looks at the clock, because timers stop while a laptop sleeps.
const LOOK_AT_LEAST: Duration = Duration::from_secs(30);

/// The shortest time between two looks, whatever the clock and the settings are.
const LOOK_AT_MOST: Duration = Duration::from_millis(50);

/// The shortest time between two replacements of a rejected token.
const REJECTION_PAUSE: Duration = Duration::from_secs(60);

/// The largest part of the interval by which a refresh comes early.
const JITTER: f64 = 0.1;

const NOTABLE_SKEW_MS: i64 = 60_000;
