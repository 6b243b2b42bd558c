//! Step 3 of a credential: keeps small secrets in the operating system's keychain.
//!
//! A keychain may ask the person for a password and wait for ever, so it has a thread of its own; callers wait with a
//! deadline, and while a call is stuck all others fail at once.

mod os;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

pub use self::os::OsStore;

/// A place for small secrets. Calls may block.
pub trait SecretStore: Send {
    /// The value of `entry`; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`]
    fn get(&mut self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;

    /// Keeps `value` as `entry`.
    ///
    /// # Errors
    /// [`StoreError`]
    fn set(&mut self, entry: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Removes `entry`; one that is not there counts as removed.
    ///
    /// # Errors
    /// [`StoreError`]
    fn delete(&mut self, entry: &str) -> Result<(), StoreError>;
}

/// Why a secret could not be read or kept. That there is none is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is locked, or the person did not unlock it in time.
    #[error("the keychain is locked")]
    Locked,
    /// An earlier call is still waiting for the person.
    #[error("the keychain is busy")]
    Busy,
    /// There is no keychain, or it broke.
    #[error("{0}")]
    Unavailable(String),
    /// The value is longer than this keychain takes.
    #[error("the value is too long for this keychain")]
    TooLong,
}

type Job = Box<dyn FnOnce(&mut dyn SecretStore) + Send>;

/// A handle to the keychain's thread.
#[derive(Clone)]
pub struct Keychain {
    jobs: mpsc::Sender<Job>,
    work: Arc<Work>,
    limits: KeychainLimits,
}

/// What the thread has to do.
#[derive(Default)]
struct Work {
    /// Calls that wait or run.
    open: AtomicUsize,
    /// Whether somebody gave up waiting for one of them.
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

/// How long to wait for the keychain, and so for the person in front of it.
#[derive(Debug, Clone, Copy)]
pub struct KeychainLimits {
    /// For reading, which a start waits for.
    pub read: Duration,
    /// For writing, which nothing waits for.
    pub write: Duration,
}

impl Default for KeychainLimits {
    fn default() -> Self {
        Self { read: Duration::from_secs(3), write: Duration::from_secs(5) }
    }
}

impl Keychain {
    /// Starts the thread. It is never joined: a stuck prompt must not keep an app from ending.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(mut store: Box<dyn SecretStore>, limits: KeychainLimits) -> std::io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(8);
        std::thread::Builder::new().name("valetkey-keychain".into()).spawn(move || {
            while let Some(job) = waiting.blocking_recv() {
                job(store.as_mut());
            }
        })?;
        Ok(Self { jobs, work: Arc::default(), limits })
    }

    /// Reads `entry`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn get(&self, entry: String) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.call(self.limits.read, move |store| store.get(&entry)).await
    }

    /// Keeps `value` as `entry`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn set(&self, entry: String, value: Zeroizing<Vec<u8>>) -> Result<(), StoreError> {
        self.call(self.limits.write, move |store| store.set(&entry, &value)).await
    }

    /// Removes `entry`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn delete(&self, entry: String) -> Result<(), StoreError> {
        self.call(self.limits.write, move |store| store.delete(&entry)).await
    }

    async fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce(&mut dyn SecretStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.work.is_stuck() {
            return Err(StoreError::Busy);
        }
        let (done, result) = oneshot::channel();
        let open = Arc::clone(&self.work);
        let job: Job = Box::new(move |store| {
            let result = work(store);
            open.end();
            // Who asked may have given up.
            let _ = done.send(result);
        });
        self.work.begin();
        if self.jobs.try_send(job).is_err() {
            self.work.end();
            return Err(StoreError::Busy);
        }
        match tokio::time::timeout(limit, result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Unavailable("the keychain's thread ended".into())),
            Err(_) => {
                self.work.overdue.store(true, Ordering::Release);
                Err(StoreError::Locked)
            }
        }
    }
}

#[cfg(test)]
mod tests;
