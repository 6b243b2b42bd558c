//! Keeps the token and the device's key between starts, where the app's policy says and the machine allows.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::config::StoragePolicy;
use super::credential::WrapperToken;
use super::device;
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
    /// A token that fits.
    pub token: Option<WrapperToken>,
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
    pub async fn load(&self, expected: &Expected<'_>) -> Result<Kept, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(Kept { token: None, storage: Storage::Memory }) };
        let bytes = match keychain.get(TOKEN_ENTRY.into()).await {
            Ok(bytes) => bytes,
            Err(error) => return self.without_keychain(error.into()).map(|storage| Kept { token: None, storage }),
        };
        let token = bytes.as_ref().and_then(|bytes| stored::decode(bytes, expected));
        if bytes.is_some() && token.is_none() {
            // If it cannot be removed, the next write replaces it.
            let _ = keychain.delete(TOKEN_ENTRY.into()).await;
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

    /// The random id of a device that has none of its own: the kept one, or a new one that is kept if that is possible. A
    /// keychain that cannot be read may still hold one, so then nothing is written over it. An id that is `taken` is no
    /// use.
    pub async fn random_device_id(&self, taken: Option<&DeviceId>) -> DeviceId {
        let new = device::random();
        let Some(keychain) = &self.keychain else { return new };
        let Ok(kept) = keychain.get(DEVICE_ENTRY.into()).await else { return new };
        let kept = kept.and_then(|bytes| DeviceId::parse(std::str::from_utf8(&bytes).ok()?).ok());
        if let Some(kept) = kept.filter(|kept| Some(kept) != taken) {
            return kept;
        }
        // Without a keychain the device has a new id at every start; the status shows where it comes from.
        let _ = keychain.set(DEVICE_ENTRY.into(), Zeroizing::new(new.as_str().as_bytes().to_vec())).await;
        new
    }

    /// The device's key: the kept one, or a new one that is kept now. None where nothing is kept: a key that is gone at the
    /// next start would shut the device out of its id. A keychain that cannot be read may still hold one, so then none is
    /// made.
    pub async fn device_key(&self) -> Option<Arc<DeviceKey>> {
        let keychain = self.keychain.as_ref()?;
        let read = |bytes: Option<Zeroizing<Vec<u8>>>| DeviceKey::read(&bytes?).map(Arc::new);
        if let Some(kept) = read(keychain.get(KEY_ENTRY.into()).await.ok()?) {
            return Some(kept);
        }
        keychain.set(KEY_ENTRY.into(), DeviceKey::generate()).await.ok()?;
        // Another process of the app may have made one at the same moment; what is kept now is the key of both.
        read(keychain.get(KEY_ENTRY.into()).await.ok()?)
    }

    /// A token can always be had again, so by default a missing keychain costs a bootstrap at each start and no more. It is
    /// never replaced by a file.
    fn without_keychain(&self, error: ClientError) -> Result<Storage, ClientError> {
        if self.policy == StoragePolicy::Keychain { Err(error) } else { Ok(Storage::Memory) }
    }
}

const TOKEN_ENTRY: &str = "wrapper-token";
const DEVICE_ENTRY: &str = "device-id";
const KEY_ENTRY: &str = "device-key";
