//! Locks of the standard library, poisoned or not: a panic in one request must not fail all that come after it.

use std::sync::{LockResult, Mutex, MutexGuard, PoisonError};

/// Waits for the mutex and locks it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

/// The guard that a mutex, or a wait on a condition variable, gives even when it is poisoned.
pub(crate) fn unpoisoned<T>(result: LockResult<T>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
