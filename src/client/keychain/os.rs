//! The keychain of the operating system: Secret Service, macOS keychain, Windows Credential Manager.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

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
        let had_connection = self.store.is_some();
        match self.try_entry(entry, &call) {
            Err(Error::PlatformFailure(_)) if had_connection => {
                self.store = None;
                found(self.try_entry(entry, &call))
            }
            result => found(result),
        }
    }

    fn try_entry<T>(&mut self, entry: &str, call: impl Fn(&Entry) -> Result<T, Error>) -> Result<T, Error> {
        let store = match &self.store {
            Some(store) => Arc::clone(store),
            None => Arc::clone(self.store.insert(open()?)),
        };
        call(&store.build(&self.service, entry, modifiers().as_ref())?)
    }
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

fn found<T>(result: Result<T, Error>) -> Result<Option<T>, KeychainError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NoEntry) => Ok(None),
        Err(Error::NoStorageAccess(_)) => Err(KeychainError::Locked),
        Err(Error::TooLong(..)) => Err(KeychainError::TooLong),
        // These errors hold the value itself, which must not reach a message.
        Err(Error::BadEncoding(_) | Error::BadDataFormat(..)) => {
            Err(KeychainError::Unavailable("unreadable data".into()))
        }
        Err(other) => Err(KeychainError::Unavailable(other.to_string())),
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
