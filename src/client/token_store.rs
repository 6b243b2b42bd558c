//! Stores the token and the device's key between starts, if the app's policy and the machine's keychain allow it.

use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::config::{ClientConfig, StoragePolicy};
use super::credential::WrapperToken;
use super::device::DeviceIds;
use super::device_key::DeviceKey;
use super::error::ClientError;
use super::identity::{HeldKey, Identity};
use super::keychain::Keychain;
use super::status::Storage;
use super::stored::{self, Expected};
use crate::wire::DeviceId;

/// The stored token, device id and device key of one app.
#[derive(Clone)]
pub(super) struct TokenStore {
    keychain: Option<Keychain>,
    policy: StoragePolicy,
    /// The endpoints of the service, as the app names them.
    bootstrap_urls: Arc<[String]>,
}

/// A stored token, and the identity that it was issued to.
pub(super) type StoredToken = (WrapperToken, Identity);

impl TokenStore {
    /// Stores in `keychain`; `None` with the policy `memory`.
    #[must_use]
    pub(super) fn new(keychain: Option<Keychain>, config: &ClientConfig) -> Self {
        let bootstrap_urls = config.endpoints.iter().map(|endpoint| endpoint.bootstrap_url.to_string()).collect();
        Self { keychain, policy: config.storage, bootstrap_urls }
    }

    /// Where the store keeps tokens.
    #[must_use]
    pub(super) fn storage(&self) -> Storage {
        if self.keychain.is_some() { Storage::Keychain } else { Storage::Memory }
    }

    /// Whether the app wants no start without the keychain. A file never takes its place.
    #[must_use]
    pub(super) fn is_required(&self) -> bool {
        self.policy == StoragePolicy::Keychain
    }

    /// Gives each call of the keychain its usual limit.
    pub(super) fn start_is_over(&self) {
        self.keychain.iter().for_each(Keychain::start_is_over);
    }

    /// Whether a person dismissed the keychain's prompt.
    #[must_use]
    pub(super) fn was_dismissed(&self) -> bool {
        self.keychain.as_ref().is_some_and(Keychain::was_dismissed)
    }

    /// Loads the token of an earlier start, and the identity that it was issued to. One that does not fit is removed, so
    /// that the next start does not read it.
    pub(super) async fn load(&self, ids: &DeviceIds, now: SystemTime) -> Result<Option<StoredToken>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let Some(bytes) = keychain.get(TOKEN_ENTRY.into()).await? else { return Ok(None) };
        let read = |identity: Identity| {
            let device = identity.device(ids);
            let expected = Expected { bootstrap_urls: &self.bootstrap_urls, device_id: &device.id, now };
            stored::decode(&bytes, &expected).map(|token| (token, identity))
        };
        let mut token = read(Identity::Usual { key: None });
        let key = if token.is_none() { self.kept_key().await } else { Ok(None) };
        if let Ok(Some(key)) = &key {
            token = read(Identity::Keyed(Arc::clone(key)));
        }
        // If the key cannot be read for now, the token may belong to that key.
        if token.is_none() && key.is_ok() {
            // If the token cannot be removed, the next write replaces it.
            let _ = keychain.delete(TOKEN_ENTRY.into()).await;
        }
        Ok(token)
    }

    /// Stores `token`, unless the policy is to keep it in memory.
    pub(super) async fn save(&self, token: &WrapperToken, device: &DeviceId) -> Result<(), ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(()) };
        let bytes = stored::encode(token, device);
        keychain.set(TOKEN_ENTRY.into(), bytes).await.map_err(ClientError::from)
    }

    /// The id of a machine without a usable one: the stored id, or else `new`, which is stored if possible. A keychain
    /// that cannot be read may still hold an id, so nothing is written over it.
    pub(super) async fn random_device_id(&self, new: DeviceId) -> Result<DeviceId, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(new) };
        let kept = keychain.get(DEVICE_ENTRY.into()).await?;
        let kept = kept.and_then(|bytes| DeviceId::parse(std::str::from_utf8(&bytes).ok()?).ok());
        if let Some(kept) = kept {
            return Ok(kept);
        }
        // Without a keychain the device has a new id at every start; the status shows that it is random.
        let _ = keychain.set(DEVICE_ENTRY.into(), Zeroizing::new(new.as_str().as_bytes().to_vec())).await;
        Ok(new)
    }

    /// The device's key: the stored one, or a new one that is stored now. `None` without a keychain: a key that is lost
    /// at the next start would lock the device out of its id. A keychain that cannot be read may still hold a key, so
    /// its error is returned and no key is made.
    pub(super) async fn device_key(&self) -> Result<Option<HeldKey>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        if let Some(key) = self.kept_key().await? {
            return Ok(Some(HeldKey { key, is_new: false }));
        }
        let made = keychain.set(KEY_ENTRY.into(), DeviceKey::generate().as_kept()).await;
        // Another process of the app may have stored its key at the same moment; both use the one that is stored now.
        match self.kept_key().await? {
            Some(key) => Ok(Some(HeldKey { key, is_new: true })),
            None => Err(made.err().map_or_else(unkept, ClientError::from)),
        }
    }

    /// The key in the keychain, if there is one that can be used.
    pub(super) async fn kept_key(&self) -> Result<Option<Arc<DeviceKey>>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let bytes = keychain.get(KEY_ENTRY.into()).await?;
        Ok(bytes.and_then(|bytes| DeviceKey::read(&bytes)).map(Arc::new))
    }

    /// Stores `key`, which the service knows now, in place of any other.
    pub(super) async fn settle_on(&self, key: &DeviceKey) {
        let Some(keychain) = &self.keychain else { return };
        let same = |kept: Arc<DeviceKey>| kept.thumbprint() == key.thumbprint();
        if !self.kept_key().await.ok().flatten().is_some_and(same) {
            // If the key cannot be stored, the next start is another device.
            let _ = keychain.set(KEY_ENTRY.into(), key.as_kept()).await;
        }
    }
}

/// Some keychains accept every value and store none.
fn unkept() -> ClientError {
    ClientError::KeychainUnavailable("it does not keep what it is given".into())
}

const TOKEN_ENTRY: &str = "wrapper-token";
const DEVICE_ENTRY: &str = "device-id";
const KEY_ENTRY: &str = "device-key";
