//! Stores small secrets in the operating system's keychain.
//!
//! A keychain may prompt the person for a password and wait for ever, so it has a thread of its own. Callers wait with a
//! deadline, and while one call is stuck all others fail at once.

mod os;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

pub use self::os::OsStore;

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
    /// The store is locked, or nobody unlocked it in time.
    #[error("the keychain is locked")]
    Locked,
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
}

/// How long callers wait for the keychain, and so for the person in front of its prompt.
#[derive(Debug, Clone, Copy)]
pub struct KeychainLimits {
    /// For reading, which delays a start.
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

    async fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&mut dyn SecretStore) -> Result<T, KeychainError> + Send + 'static,
    ) -> Result<T, KeychainError> {
        if self.work.is_stuck() {
            return Err(KeychainError::Busy);
        }
        let (done, result) = oneshot::channel();
        let open = Arc::clone(&self.work);
        let job: Job = Box::new(move |store| {
            let result = work(store);
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
                Err(KeychainError::Locked)
            }
        }
    }
}

#[cfg(test)]
mod tests;
