//! Stores the token and the device's key between starts, if the app's policy and the machine's keychain allow it.

use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::config::StoragePolicy;
use super::credential::WrapperToken;
use super::device::{self, DeviceIds, LocalDevice};
use super::device_key::DeviceKey;
use super::error::ClientError;
use super::keychain::Keychain;
use super::status::Storage;
use super::stored::{self, Expected};
use crate::wire::DeviceId;

/// The stored token, device id and device key of one app.
#[derive(Clone)]
pub struct TokenStore {
    keychain: Option<Keychain>,
    policy: StoragePolicy,
}

/// The state of the store at the start.
pub struct StoredToken {
    /// A stored token that fits, and the device it belongs to.
    pub token: Option<(WrapperToken, LocalDevice)>,
    /// Where the next token will be stored, as far as that is known before a write.
    pub storage: Storage,
}

impl TokenStore {
    /// Stores in `keychain`; `None` with the policy `memory`.
    #[must_use]
    pub fn new(keychain: Option<Keychain>, policy: StoragePolicy) -> Self {
        Self { keychain, policy }
    }

    /// Loads the token of an earlier start. One that does not fit is removed, so that the next start does not read it.
    /// A keychain that fails is an error only if the policy requires it.
    pub async fn load(
        &self,
        bootstrap_url: &str,
        identity: &DeviceIds,
        now: SystemTime,
    ) -> Result<StoredToken, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(StoredToken { token: None, storage: Storage::Memory }) };
        let bytes = match keychain.get(TOKEN_ENTRY.into()).await {
            Ok(bytes) => bytes,
            Err(error) => {
                return self.without_keychain(error.into()).map(|storage| StoredToken { token: None, storage });
            }
        };
        let mut token = None;
        if let Some(bytes) = bytes {
            let read = |device: LocalDevice| {
                let expected = Expected { bootstrap_url, device_id: &device.id, now };
                stored::decode(&bytes, &expected).map(|token| (token, device))
            };
            token = read(identity.usual().clone());
            let key = if token.is_none() { self.kept_key().await } else { Ok(None) };
            if let Ok(Some(key)) = &key {
                token = read(identity.keyed(&key.thumbprint()));
            }
            // If the key cannot be read for now, the token may belong to that key.
            if token.is_none() && key.is_ok() {
                // If the token cannot be removed, the next write replaces it.
                let _ = keychain.delete(TOKEN_ENTRY.into()).await;
            }
        }
        Ok(StoredToken { token, storage: Storage::Keychain })
    }

    /// Stores `token` and returns where. A keychain that fails is an error only if the policy requires it.
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

    /// The random id of a machine without a usable one: the stored id, or a new one, which is stored if possible. A
    /// keychain that cannot be read may still hold an id, so nothing is written over it.
    pub async fn random_device_id(&self) -> DeviceId {
        let new = device::random();
        let Some(keychain) = &self.keychain else { return new };
        let Ok(kept) = keychain.get(DEVICE_ENTRY.into()).await else { return new };
        let kept = kept.and_then(|bytes| DeviceId::parse(std::str::from_utf8(&bytes).ok()?).ok());
        if let Some(kept) = kept {
            return kept;
        }
        // Without a keychain the device has a new id at every start; the status shows that it is random.
        let _ = keychain.set(DEVICE_ENTRY.into(), Zeroizing::new(new.as_str().as_bytes().to_vec())).await;
        new
    }

    /// The device's key and whether it is new: the stored key, or a new one that is stored now. `None` without a
    /// keychain: a key that is lost at the next start would lock the device out of its id. A keychain that cannot be
    /// read may still hold a key, so its error is returned and no key is made.
    pub async fn device_key(&self) -> Result<Option<(Arc<DeviceKey>, bool)>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        if let Some(kept) = self.kept_key().await? {
            return Ok(Some((kept, false)));
        }
        let made = keychain.set(KEY_ENTRY.into(), DeviceKey::generate().as_kept()).await;
        // Another process of the app may have stored its key at the same moment; both use the one that is stored now.
        match self.kept_key().await? {
            Some(kept) => Ok(Some((kept, true))),
            None => Err(made.err().map_or_else(unkept, ClientError::from)),
        }
    }

    pub async fn kept_key(&self) -> Result<Option<Arc<DeviceKey>>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let bytes = keychain.get(KEY_ENTRY.into()).await?;
        Ok(bytes.and_then(|bytes| DeviceKey::read(&bytes)).map(Arc::new))
    }

    /// Stores `key`, which the service knows now, in place of any other.
    pub async fn settle_on(&self, key: &DeviceKey) {
        let Some(keychain) = &self.keychain else { return };
        let same = |kept: Arc<DeviceKey>| kept.thumbprint() == key.thumbprint();
        if !self.kept_key().await.ok().flatten().is_some_and(same) {
            // If the key cannot be stored, the next start is another device.
            let _ = keychain.set(KEY_ENTRY.into(), key.as_kept()).await;
        }
    }

    /// What happens without a keychain: by default the token stays in memory, which costs a bootstrap at each start. If
    /// the policy requires a keychain, `error` is returned. A file never takes its place.
    pub fn without_keychain(&self, error: ClientError) -> Result<Storage, ClientError> {
        if self.policy == StoragePolicy::Keychain { Err(error) } else { Ok(Storage::Memory) }
    }
}

/// Some keychains accept every value and store none.
fn unkept() -> ClientError {
    ClientError::KeychainUnavailable("it does not keep what it is given".into())
}

const TOKEN_ENTRY: &str = "wrapper-token";
const DEVICE_ENTRY: &str = "device-id";
const KEY_ENTRY: &str = "device-key";
