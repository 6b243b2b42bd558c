//! The keychain of the operating system: Secret Service, macOS keychain, Windows Credential Manager.

use std::sync::Arc;
use std::time::Duration;

use keyring_core::{CredentialStore, Entry, Error};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::refusal::refusal;
use super::{KeychainError, SecretStore};

/// The entries of one app. The connection is opened at first use, and again after it was lost: `keyring`'s own default
/// store is opened once per process and never recovers from a restart of the keychain.
pub struct OsStore {
    service: String,
    store: Option<Arc<CredentialStore>>,
}

impl OsStore {
    /// The entries of `app_id`; nothing is opened yet.
    #[must_use]
    pub fn new(app_id: &str) -> Self {
        Self { service: format!("valetkey:{app_id}"), store: None }
    }

    /// Runs `call` on an entry, and once more on a new connection if the old one is dead.
    fn with_entry<T>(
        &mut self,
        entry: &str,
        call: impl Fn(&Entry) -> Result<T, Error>,
    ) -> Result<Option<T>, KeychainError> {
        let (began, had_connection) = (Instant::now(), self.store.is_some());
        let mut result = self.try_entry(entry, &call);
        if had_connection && matches!(result, Err(Error::PlatformFailure(_))) {
            self.store = None;
            result = self.try_entry(entry, &call);
        }
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failure(error, began.elapsed())),
        }
    }

    fn try_entry<T>(&mut self, entry: &str, call: impl Fn(&Entry) -> Result<T, Error>) -> Result<T, Error> {
        let store = match &self.store {
            Some(store) => Arc::clone(store),
            None => Arc::clone(self.store.insert(open()?)),
        };
        match call(&store.build(&self.service, entry, modifiers().as_ref())?) {
            Err(Error::Ambiguous(entries)) => on_each(&entries, call),
            result => result,
        }
    }
}

/// Runs `call` on all entries of one name, which another program or an interrupted write may have left, and returns the first
/// result. So a write makes them equal, and a removal leaves none.
fn on_each<T>(entries: &[Entry], call: impl Fn(&Entry) -> Result<T, Error>) -> Result<T, Error> {
    let mut results = entries.iter().map(call);
    let first = results.next().unwrap_or(Err(Error::NoEntry))?;
    results.try_for_each(|result| result.map(drop))?;
    Ok(first)
}

impl SecretStore for OsStore {
    fn get(&mut self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        self.with_entry(entry, |entry| entry.get_secret().map(Zeroizing::new))
    }

    fn set(&mut self, entry: &str, value: &[u8]) -> Result<(), KeychainError> {
        self.with_entry(entry, |entry| entry.set_secret(value)).map(drop)
    }

    fn delete(&mut self, entry: &str) -> Result<(), KeychainError> {
        self.with_entry(entry, Entry::delete_credential).map(drop)
    }
}

/// What the failure of a call means; the call took `took`.
fn failure(error: Error, took: Duration) -> KeychainError {
    match error {
        Error::NoStorageAccess(cause) => refusal(&*cause, took).unwrap_or(KeychainError::Locked),
        Error::PlatformFailure(cause) => {
            refusal(&*cause, took).unwrap_or_else(|| KeychainError::Unavailable(cause.to_string()))
        }
        Error::TooLong(..) => KeychainError::TooLong,
        // These errors hold the value itself, which must not reach a message.
        Error::BadEncoding(_) | Error::BadDataFormat(..) => KeychainError::Unavailable("unreadable data".into()),
        other => KeychainError::Unavailable(other.to_string()),
    }
}

#[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn open() -> Result<Arc<CredentialStore>, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// Keeps the entry on this machine: a device's token must not roam to another one with the user's profile.
#[cfg(windows)]
fn modifiers() -> Option<std::collections::HashMap<&'static str, &'static str>> {
    Some([("persistence", "Local")].into())
}

#[cfg(not(windows))]
fn modifiers() -> Option<std::collections::HashMap<&'static str, &'static str>> {
    None
}

#[cfg(test)]
mod tests {
    use keyring_core::api::CredentialStoreApi;
    use keyring_core::mock;

    use super::*;

    #[test]
    fn f99_entries_of_one_name_are_read_as_the_first_made_equal_and_removed_together() {
        let store = mock::Store::new().unwrap();
        let entries: Vec<_> = ["a", "b"].iter().map(|user| store.build("service", user, None).unwrap()).collect();
        entries[0].set_secret(b"first").unwrap();
        entries[1].set_secret(b"second").unwrap();
        assert_eq!(on_each(&entries, Entry::get_secret).unwrap(), b"first");
        on_each(&entries, |entry| entry.set_secret(b"third")).unwrap();
        assert!(entries.iter().all(|entry| entry.get_secret().unwrap() == b"third"));
        on_each(&entries, Entry::delete_credential).unwrap();
        assert!(entries.iter().all(|entry| matches!(entry.get_secret(), Err(Error::NoEntry))));
    }
}
