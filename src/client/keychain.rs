//! Stores small secrets in the operating system's keychain.
//!
//! A keychain may prompt the person for a password and wait for ever, so it has a thread of its own. Callers wait with a
//! deadline, and while one call is stuck all others fail at once. A start waits longer than a running client: without
//! the keychain the device may have to take another id. Nothing waits for the thread when the app ends.

mod os;
mod refusal;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use zeroize::Zeroizing;

pub use self::os::OsStore;
use crate::lock::lock;

/// A store for small secrets, such as a keychain. Calls may block.
pub trait SecretStore: Send {
    /// The value of `entry`; `None` when there is none.
    fn get(&mut self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError>;

    /// Stores `value` as `entry`, in place of an older value.
    fn set(&mut self, entry: &str, value: &[u8]) -> Result<(), KeychainError>;

    /// Removes `entry`; a missing entry counts as removed.
    fn delete(&mut self, entry: &str) -> Result<(), KeychainError>;
}

/// Why a secret could not be read or stored. A missing entry is not an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeychainError {
    /// The store is locked, and nobody can be prompted.
    #[error("the keychain is locked")]
    Locked,
    /// The person dismissed the prompt, or the system keeps this app from the store.
    #[error("the keychain was denied to the app")]
    Denied,
    /// The store did not answer in time: it is slow, or waits for the person.
    #[error("the keychain did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// An earlier call still waits for the person.
    #[error("the keychain is busy")]
    Busy,
    /// There is no keychain, or it failed.
    #[error("{0}")]
    Unavailable(String),
    /// The value is longer than this keychain takes.
    #[error("the value is too long for this keychain")]
    TooLong,
}

type Job = Box<dyn FnOnce(&mut dyn SecretStore) + Send>;

/// A handle to the keychain's thread; clones share the thread.
#[derive(Clone)]
pub struct Keychain {
    jobs: mpsc::Sender<Job>,
    work: Arc<Work>,
    limits: KeychainLimits,
}

/// The calls that the thread has to serve.
#[derive(Default)]
struct Work {
    /// How many calls wait or run.
    open: AtomicUsize,
    /// Whether the caller of one of them stopped waiting.
    overdue: AtomicBool,
    /// Whether the last call was denied.
    denied: AtomicBool,
    /// Until when calls may wait that a start makes; `None` after the start.
    start_ends: Mutex<Option<Instant>>,
}

impl Work {
    fn is_stuck(&self) -> bool {
        self.overdue.load(Ordering::Acquire) && self.open.load(Ordering::Acquire) > 0
    }

    fn begin(&self) {
        if self.open.fetch_add(1, Ordering::AcqRel) == 0 {
            self.overdue.store(false, Ordering::Release);
        }
    }

    fn end(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    fn note<T>(&self, result: &Result<T, KeychainError>) {
        self.denied.store(matches!(result, Err(KeychainError::Denied)), Ordering::Release);
    }
}

/// How long callers wait for the keychain, and so for the person in front of its prompt, once the client has started.
#[derive(Debug, Clone, Copy)]
pub struct KeychainLimits {
    /// For reading.
    pub read: Duration,
    /// For writing, which delays nothing.
    pub write: Duration,
}

impl Default for KeychainLimits {
    fn default() -> Self {
        Self { read: Duration::from_secs(3), write: Duration::from_secs(5) }
    }
}

impl Keychain {
    /// Starts the thread; fails if the system has none. It is never joined: a stuck prompt must not keep an app open.
    pub fn start(mut store: Box<dyn SecretStore>, limits: KeychainLimits) -> std::io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(8);
        std::thread::Builder::new().name("valetkey-keychain".into()).spawn(move || {
            while let Some(job) = waiting.blocking_recv() {
                job(store.as_mut());
            }
        })?;
        Ok(Self { jobs, work: Arc::default(), limits })
    }

    /// From now on all calls together may wait for `limit`, until [`start_is_over`](Self::start_is_over).
    #[must_use]
    pub fn for_start(self, limit: Duration) -> Self {
        *lock(&self.work.start_ends) = Instant::now().checked_add(limit);
        self
    }

    /// Gives each call its usual limit again.
    pub fn start_is_over(&self) {
        *lock(&self.work.start_ends) = None;
    }

    /// Gives the calls of a start as much more time as it has waited for something else.
    pub fn extend_start(&self, waited: Duration) {
        let mut ends = lock(&self.work.start_ends);
        *ends = ends.and_then(|end| end.checked_add(waited));
    }

    /// Whether the last call was denied, mostly by a person who dismissed the prompt; asking again would show it again.
    #[must_use]
    pub fn was_denied(&self) -> bool {
        self.work.denied.load(Ordering::Acquire)
    }

    /// Reads `entry` within the limit for reading.
    pub async fn get(&self, entry: String) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        self.call(self.limits.read, move |store| store.get(&entry)).await
    }

    /// Stores `value` as `entry` within the limit for writing.
    pub async fn set(&self, entry: String, value: Zeroizing<Vec<u8>>) -> Result<(), KeychainError> {
        self.call(self.limits.write, move |store| store.set(&entry, &value)).await
    }

    /// Removes `entry` within the limit for writing.
    pub async fn delete(&self, entry: String) -> Result<(), KeychainError> {
        self.call(self.limits.write, move |store| store.delete(&entry)).await
    }

    /// Stores an entry of its own, reads it and removes it, to find out whether the keychain works.
    pub async fn probe(&self) -> Result<(), KeychainError> {
        let value = Zeroizing::new(b"valetkey looks whether this works".to_vec());
        self.set(PROBE.into(), value.clone()).await?;
        let kept = self.get(PROBE.into()).await?;
        self.delete(PROBE.into()).await?;
        if kept.is_some_and(|kept| *kept == *value) {
            return Ok(());
        }
        Err(KeychainError::Unavailable("it does not keep what it is given".into()))
    }

    async fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&mut dyn SecretStore) -> Result<T, KeychainError> + Send + 'static,
    ) -> Result<T, KeychainError> {
        if self.work.is_stuck() {
            return Err(KeychainError::Busy);
        }
        let limit = lock(&self.work.start_ends).map_or(limit, |end| end.saturating_duration_since(Instant::now()));
        let (done, result) = oneshot::channel();
        let open = Arc::clone(&self.work);
        let job: Job = Box::new(move |store| {
            let result = work(store);
            open.note(&result);
            open.end();
            // The caller may have stopped waiting.
            let _ = done.send(result);
        });
        self.work.begin();
        if self.jobs.try_send(job).is_err() {
            self.work.end();
            return Err(KeychainError::Busy);
        }
        match tokio::time::timeout(limit, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(KeychainError::Unavailable("the keychain's thread ended".into())),
            Err(_) => {
                self.work.overdue.store(true, Ordering::Release);
                Err(KeychainError::Late(limit))
            }
        }
    }
}

const PROBE: &str = "probe";

#[cfg(test)]
mod tests;
