//! The real key at the start.

use std::io;

use crate::secret::Secret;
use crate::service::relay::key_source::KeySource;
use crate::service::run::start_error::StartError;

/// Waits for the command, if one prints the key. It has an event loop of its own: the caller may be inside another.
pub(super) fn first_key(source: &KeySource) -> Result<Secret, StartError> {
    if let KeySource::Given { key, .. } = source {
        return Ok(key.clone());
    }
    let read = || -> Result<Secret, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Worker)?;
        Ok(runtime.block_on(source.read())?)
    };
    let reading = std::thread::scope(|scope| scope.spawn(read).join());
    reading.unwrap_or_else(|_| Err(StartError::Worker(io::Error::other("the thread of the key command panicked"))))
}
