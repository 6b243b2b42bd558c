//! Stores the token and the device's key between starts, if the app's policy and the machine's keychain allow it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::config::{ClientConfig, StoragePolicy};
use super::credential::WrapperToken;
use super::device::DeviceIds;
use super::device_key::DeviceKey;
use super::error::ClientError;
use super::identity::{HeldKey, Identity};
use super::keychain::Keychain;
use super::renewal_lock::{HeldLock, LockError, RenewalLock};
use super::status::{Event, EventSink, Level, Storage};
use super::stored::{self, Expected, StoredTokenError};
use crate::wire::DeviceId;

/// The stored token, device id and device key of one app.
#[derive(Clone)]
pub(super) struct TokenStore {
    keychain: Option<Keychain>,
    policy: StoragePolicy,
    /// The endpoints of the service, as the app names them.
    bootstrap_urls: Arc<[String]>,
    lock: RenewalLock,
    /// Whether the app has signed out, after which nothing is stored.
    is_cleared: Arc<AtomicBool>,
    events: EventSink,
}

/// A stored token, and the identity that it was issued to.
pub(super) type StoredToken = (WrapperToken, Identity);

impl TokenStore {
    /// Stores in `keychain`; `None` with the policy `memory`. The processes of the app take turns by a lock in `lock_folder`.
    #[must_use]
    pub(super) fn new(
        keychain: Option<Keychain>,
        lock_folder: Option<&Path>,
        config: &ClientConfig,
        events: EventSink,
    ) -> Self {
        let patience = MOST_PATIENCE.min(config.startup_timeout / 2);
        Self {
            keychain,
            policy: config.storage,
            bootstrap_urls: config.endpoints.iter().map(|endpoint| endpoint.bootstrap_url.to_string()).collect(),
            lock: RenewalLock::new(lock_folder, &config.app_id, patience),
            is_cleared: Arc::default(),
            events,
        }
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

    /// Whether the keychain was denied to the app, mostly by a person who dismissed its prompt.
    #[must_use]
    pub(super) fn was_denied(&self) -> bool {
        self.keychain.as_ref().is_some_and(Keychain::was_denied)
    }

    /// Waits until no other process of the app renews the token, for a while at most. While the turn is held, others wait and
    /// then read what this process has stored. `None` if there is no turn to be had: then each process goes on by itself.
    pub(super) async fn turn(&self) -> Option<HeldLock> {
        let keychain = self.keychain.as_ref()?;
        let began = Instant::now();
        let taken = self.lock.take().await;
        keychain.extend_start(began.elapsed());
        match taken {
            Ok(turn) => Some(turn),
            Err(error) => {
                let level = if matches!(error, LockError::Busy(_)) { Level::Info } else { Level::Debug };
                self.log(level, format!("The token is renewed without the lock of the app's processes: {error}"));
                None
            }
        }
    }

    /// Loads the token of an earlier start, and the identity that it was issued to. One that does not fit is removed, so
    /// that the next start does not read it.
    pub(super) async fn load(&self, ids: &DeviceIds, now: SystemTime) -> Result<Option<StoredToken>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let Some(bytes) = keychain.get(TOKEN_ENTRY.into()).await? else { return Ok(None) };
        let read = |identity: Identity| {
            let device = identity.device(ids);
            self.decode(&bytes, &device.id, now).map(|token| (token, identity))
        };
        let mut token = read(Identity::Usual { key: None });
        if matches!(token, Err(StoredTokenError::OtherDevice)) {
            match self.kept_key().await {
                Ok(Some(key)) => token = read(Identity::Keyed(key)),
                Ok(None) => {}
                // The token may belong to the key, which cannot be read for now.
                Err(_) => return Ok(None),
            }
        }
        if let Err(error) = &token {
            let level = if *error == StoredTokenError::Damaged { Level::Warn } else { Level::Info };
            self.log(level, format!("The token in the keychain is removed and replaced by a new one: {error}"));
            // If the token cannot be removed, the next write replaces it.
            let _ = keychain.delete(TOKEN_ENTRY.into()).await;
        }
        Ok(token.ok())
    }

    /// The stored token of `device`, which another process of the app may have stored since the start. Another value stays.
    pub(super) async fn token_of(
        &self,
        device: &DeviceId,
        now: SystemTime,
    ) -> Result<Option<WrapperToken>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let bytes = keychain.get(TOKEN_ENTRY.into()).await?;
        Ok(bytes.and_then(|bytes| self.decode(&bytes, device, now).ok()))
    }

    fn decode(&self, bytes: &[u8], device_id: &DeviceId, now: SystemTime) -> Result<WrapperToken, StoredTokenError> {
        stored::decode(bytes, &Expected { bootstrap_urls: &self.bootstrap_urls, device_id, now })
    }

    /// Stores `token`, unless the policy is to keep it in memory.
    pub(super) async fn save(&self, token: &WrapperToken, device: &DeviceId) -> Result<(), ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(()) };
        self.put(keychain, TOKEN_ENTRY, stored::encode(token, device)).await
    }

    /// Removes the token, the device's key and its random id. Nothing is stored from then on, also by calls that run already. Of
    /// several failures the first is returned.
    pub(super) async fn clear(&self) -> Result<(), ClientError> {
        self.is_cleared.store(true, Ordering::Release);
        let Some(keychain) = &self.keychain else { return Ok(()) };
        let _turn = self.turn().await;
        let mut result = Ok(());
        for entry in [TOKEN_ENTRY, KEY_ENTRY, DEVICE_ENTRY] {
            result = result.and(keychain.delete(entry.into()).await.map_err(ClientError::from));
        }
        result
    }

    async fn put(&self, keychain: &Keychain, entry: &str, value: Zeroizing<Vec<u8>>) -> Result<(), ClientError> {
        if self.is_cleared.load(Ordering::Acquire) {
            return Ok(());
        }
        keychain.set(entry.into(), value).await.map_err(ClientError::from)
    }

    fn log(&self, level: Level, line: String) {
        (self.events)(Event::Log(level, line.into()));
    }

    /// The stored id of a machine without a usable one.
    pub(super) async fn kept_device_id(&self) -> Result<Option<DeviceId>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let kept = keychain.get(DEVICE_ENTRY.into()).await?;
        Ok(kept.and_then(|bytes| DeviceId::parse(std::str::from_utf8(&bytes).ok()?).ok()))
    }

    /// The id of a machine without a usable one: the stored id, or else `new`, which is stored if possible. A keychain
    /// that cannot be read may still hold an id, so nothing is written over it. The caller has its turn, if there is one.
    pub(super) async fn random_device_id(&self, new: DeviceId) -> Result<DeviceId, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(new) };
        if let Some(kept) = self.kept_device_id().await? {
            return Ok(kept);
        }
        // Without a keychain the device has a new id at every start; the status shows that it is random.
        let _ = self.put(keychain, DEVICE_ENTRY, Zeroizing::new(new.as_str().as_bytes().to_vec())).await;
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
        let made = self.put(keychain, KEY_ENTRY, DeviceKey::generate().as_kept()).await;
        // Another process of the app may have stored its key at the same moment; both use the one that is stored now.
        match self.kept_key().await? {
            Some(key) => Ok(Some(HeldKey { key, is_new: true })),
            None => Err(made.err().unwrap_or_else(unkept)),
        }
    }

    /// The key in the keychain, if there is one that can be used.
    pub(super) async fn kept_key(&self) -> Result<Option<Arc<DeviceKey>>, ClientError> {
        let Some(keychain) = &self.keychain else { return Ok(None) };
        let Some(bytes) = keychain.get(KEY_ENTRY.into()).await? else { return Ok(None) };
        let key = DeviceKey::read(&bytes);
        if key.is_none() {
            self.log(Level::Warn, "The device's key in the keychain is damaged".into());
        }
        Ok(key.map(Arc::new))
    }

    /// Stores `key`, which the service knows now, in place of any other.
    pub(super) async fn settle_on(&self, key: &DeviceKey) {
        let Some(keychain) = &self.keychain else { return };
        let same = |kept: Arc<DeviceKey>| kept.thumbprint() == key.thumbprint();
        if !self.kept_key().await.ok().flatten().is_some_and(same) {
            // If the key cannot be stored, the next start is another device.
            let _ = self.put(keychain, KEY_ENTRY, key.as_kept()).await;
        }
    }
}

/// Some keychains accept every value and store none.
fn unkept() -> ClientError {
    ClientError::KeychainUnavailable("it does not keep what it is given".into())
}

/// The longest that a process waits for its turn. A start waits for half of its own limit at most.
const MOST_PATIENCE: Duration = Duration::from_secs(10);

const TOKEN_ENTRY: &str = "wrapper-token";
const DEVICE_ENTRY: &str = "device-id";
const KEY_ENTRY: &str = "device-key";
