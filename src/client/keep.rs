//! Keeps the token and the device's key between starts, where the app's policy says and the machine allows.

use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::config::StoragePolicy;
use super::credential::WrapperToken;
use super::device::{self, Device, Identity};
use super::device_key::DeviceKey;
use super::error::ClientError;
use super::keychain::Keychain;
use super::status::Storage;
use super::stored::{self, Expected};
use crate::wire::DeviceId;

/// The kept token of one app.
#[derive(Clone)]
pub struct TokenKeep {
    keychain: Option<Keychain>,
    policy: StoragePolicy,
}

/// What was found at the start.
pub struct Kept {
    /// A token that fits, and whose it is.
    pub token: Option<(WrapperToken, Device)>,
    /// Where the next one will be kept, as far as can be told before a write.
    pub storage: Storage,
}

impl TokenKeep {
    /// Keeps in `keychain`; with the policy `memory` there is none.
    #[must_use]
    pub fn new(keychain: Option<Keychain>, policy: StoragePolicy) -> Self {
        Self { keychain, policy }
    }

    /// The token of an earlier start. What does not fit is removed, so that the next start does not stumble over it again.
    ///
    /// # Errors
    /// [`ClientError::KeychainLocked`] and [`ClientError::KeychainUnavailable`], when the policy asks for a keychain.
    pub async fn load(&self, bootstrap_url: &str, identity: &Identity, now: SystemTime) -> Result<Kept, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(Kept { token: None, storage: Storage::Memory }) };
        let bytes = match keychain.get(TOKEN_ENTRY.into()).await {
            Ok(bytes) => bytes,
            Err(error) => return self.without_keychain(error.into()).map(|storage| Kept { token: None, storage }),
        };
        let mut token = None;
        if let Some(bytes) = bytes {
            let read = |device: Device| {
                let expected = Expected { bootstrap_url, device_id: &device.id, now };
                stored::decode(&bytes, &expected).map(|token| (token, device))
            };
            token = read(identity.usual().clone());
            let key = if token.is_none() { self.kept_key().await } else { Ok(None) };
            if let Ok(Some(key)) = &key {
                token = read(identity.keyed(&key.thumbprint()));
            }
            // A key that cannot be read for a moment may be the one that it fits.
            if token.is_none() && key.is_ok() {
                // If it cannot be removed, the next write replaces it.
                let _ = keychain.delete(TOKEN_ENTRY.into()).await;
            }
        }
        Ok(Kept { token, storage: Storage::Keychain })
    }

    /// Keeps `token` and answers where it is.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn save(
        &self,
        token: &WrapperToken,
        bootstrap_url: &str,
        device: &DeviceId,
    ) -> Result<Storage, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(Storage::Memory) };
        let bytes = stored::encode(token, bootstrap_url, device);
        match keychain.set(TOKEN_ENTRY.into(), bytes).await {
            Ok(()) => Ok(Storage::Keychain),
            Err(error) => self.without_keychain(error.into()),
        }
    }

    /// The random id of a machine that has none of its own: the kept one, or a new one that is kept if that is possible. A
    /// keychain that cannot be read may still hold one, so then nothing is written over it.
    pub async fn random_device_id(&self) -> DeviceId {
        let new = device::random();
        let Some(keychain) = &self.keychain else { return new };
        let Ok(kept) = keychain.get(DEVICE_ENTRY.into()).await else { return new };
        let kept = kept.and_then(|bytes| DeviceId::parse(std::str::from_utf8(&bytes).ok()?).ok());
        if let Some(kept) = kept {
            return kept;
        }
        // Without a keychain the device has a new id at every start; the status shows where it comes from.
        let _ = keychain.set(DEVICE_ENTRY.into(), Zeroizing::new(new.as_str().as_bytes().to_vec())).await;
        new
    }

    /// The device's key: the kept one, or a new one that is kept now, and whether it is new. None where nothing is kept: a
    /// key that is gone at the next start would shut the device out of its id.
    ///
    /// # Errors
    /// [`ClientError::KeychainLocked`] and [`ClientError::KeychainUnavailable`]. The keychain may still hold a key, so then
    /// none is made.
    pub async fn device_key(&self) -> Result<Option<(Arc<DeviceKey>, bool)>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        if let Some(kept) = self.kept_key().await? {
            return Ok(Some((kept, false)));
        }
        let made = keychain.set(KEY_ENTRY.into(), DeviceKey::generate().as_kept()).await;
        // Another process of the app may have made one at the same moment; the one that is there now is for both.
        match self.kept_key().await? {
            Some(kept) => Ok(Some((kept, true))),
            None => Err(made.err().map_or_else(unkept, ClientError::from)),
        }
    }

    /// The key that is kept now, if one is.
    ///
    /// # Errors
    /// As [`device_key`](Self::device_key).
    pub async fn kept_key(&self) -> Result<Option<Arc<DeviceKey>>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let bytes = keychain.get(KEY_ENTRY.into()).await?;
        Ok(bytes.and_then(|bytes| DeviceKey::read(&bytes)).map(Arc::new))
    }

    /// Keeps `key`, which the service knows now, in place of any other.
    pub async fn settle_on(&self, key: &DeviceKey) {
        let Some(keychain) = &self.keychain else { return };
        let same = |kept: Arc<DeviceKey>| kept.thumbprint() == key.thumbprint();
        if !self.kept_key().await.ok().flatten().is_some_and(same) {
            // If it cannot be kept, the next start is another device.
            let _ = keychain.set(KEY_ENTRY.into(), key.as_kept()).await;
        }
    }

    /// A token can always be had again, so by default a missing keychain costs a bootstrap at each start and no more. It is
    /// never replaced by a file.
    ///
    /// # Errors
    /// `error` itself, when the policy asks for a keychain.
    pub fn without_keychain(&self, error: ClientError) -> Result<Storage, ClientError> {
        if self.policy == StoragePolicy::Keychain { Err(error) } else { Ok(Storage::Memory) }
    }
}

/// Some keychains take everything and keep nothing.
fn unkept() -> ClientError {
    ClientError::KeychainUnavailable("it does not keep what it is given".into())
}

const TOKEN_ENTRY: &str = "wrapper-token";
const DEVICE_ENTRY: &str = "device-id";
const KEY_ENTRY: &str = "device-key";
