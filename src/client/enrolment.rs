//! Gets the first wrapper token and each newer one, puts it in use, and stores it. Of several processes of the app one does so at a
//! time, and the others take what it has stored.
//!
//! A device whose usual id belongs to another key takes an id that is made from its own key. That costs no protection:
//! a client that may enrol can invent an id.

mod keychain;
mod start;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use super::credential::{Issued, WrapperToken};
use super::device::DeviceIds;
use super::device_key::DeviceKey;
use super::error::ClientError;
use super::failover::Failover;
use super::identity::{HeldKey, Identity};
use super::renewal::{Renewal, Wanted};
use super::renewal_lock::HeldLock;
use super::service_api::ServiceApi;
use super::session::Session;
use super::status::{Level, Storage};
use super::token_store::TokenStore;
use crate::clock::Clock;
use crate::wire::ErrorCode;

/// The enrolment of this device at the service, and the identity that it settled on.
pub(super) struct Enrolment {
    api: ServiceApi,
    failover: Arc<Failover>,
    store: TokenStore,
    ids: DeviceIds,
    identity: Identity,
    session: Arc<Session>,
    clock: Arc<dyn Clock>,
}

impl Enrolment {
    #[must_use]
    pub(super) fn new(
        api: ServiceApi,
        failover: Arc<Failover>,
        store: TokenStore,
        ids: DeviceIds,
        session: Arc<Session>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { api, failover, store, ids, identity: Identity::Usual { key: None }, session, clock }
    }

    /// Gives the keychain its usual limits, now that the client has started.
    pub(super) fn start_is_over(&self) {
        self.store.start_is_over();
    }

    /// Replaces the token in use by one that is `wanted`: one that another process has stored, or a new one. For that `living`, the
    /// token in use, is traded in, or the device enrols again if there is none or the service rejects it. The new token is stored
    /// in the background: requests use it already, so a slow keychain delays none. A keychain that has failed is not asked, which
    /// could prompt the person: it gets the token when it is taken up again. One that was too small may take the new token.
    pub(super) async fn renew(
        &mut self,
        wanted: Wanted,
        living: Option<&WrapperToken>,
    ) -> Result<Renewal, ClientError> {
        let held = self.turn().await;
        if self.session.is_closed() {
            return Err(ClientError::Closed);
        }
        if self.take_over(wanted).await {
            return Ok(Renewal::TakenOver);
        }
        let issued = self.newer_token(living, held.as_ref()).await?;
        let token = self.install(issued);
        if self.session.keychain_error().is_some_and(|error| !matches!(error, ClientError::KeychainTooSmall)) {
            return Ok(Renewal::Issued);
        }
        let keeping = self.keep(token);
        let session = Arc::clone(&self.session);
        tokio::spawn(async move {
            if let Err(error) = keeping.await {
                session.keychain_failed(error);
            }
            // From now on the next process finds the token.
            drop(held);
        });
        Ok(Renewal::Issued)
    }

    async fn newer_token(
        &mut self,
        living: Option<&WrapperToken>,
        held: Option<&HeldLock>,
    ) -> Result<Issued, ClientError> {
        if let Err(error) = self.read_key().await {
            self.session.keychain_failed(error);
        }
        if let Some(token) = living {
            let device = self.identity.device(&self.ids);
            match self.api.refresh(token, &device.id, self.identity.key()).await {
                Err(ClientError::Denied {
                    code: ErrorCode::TokenExpired | ErrorCode::TokenInvalid | ErrorCode::TokenOutdated,
                    ..
                }) => {}
                // The key may exist while the keychain cannot be read. The token lasts a while; try again later.
                Err(error) if is_of_another_key(&error) => self.session.keychain_error().map_or(Ok(()), Err)?,
                other => return other,
            }
        }
        self.enrol(held).await
    }

    /// Gets a token without an older one.
    async fn enrol(&mut self, held: Option<&HeldLock>) -> Result<Issued, ClientError> {
        let key = self.key_for_usual_id().await;
        self.enrol_with(key, held).await
    }

    /// Gets a token with `key`. From then on the device has the usual id, or an id of its own if another key owns the
    /// usual one. After an error the id is unchanged.
    async fn enrol_with(&mut self, mut key: Option<HeldKey>, held: Option<&HeldLock>) -> Result<Issued, ClientError> {
        // While this process has its turn, no other one is about to store a key.
        let settling: &[u64] = if held.is_some() { &[] } else { &SETTLING };
        let mut pauses = settling.iter().copied().map(Duration::from_millis);
        loop {
            match self.enrol_as(Identity::Usual { key: key.clone() }).await {
                Err(error) if is_of_another_key(&error) => {}
                other => return other,
            }
            let Some(kept) = self.key_of_another_process(key.as_ref(), &mut pauses).await else { break };
            key = Some(HeldKey { key: kept, is_new: false });
        }
        self.session.log(Level::Info, "Another key owns this machine's device id; this device uses an id of its own");
        self.enrol_as(key.map_or(Identity::Keyless, |held| Identity::Keyed(held.key))).await
    }

    async fn enrol_as(&mut self, mut identity: Identity) -> Result<Issued, ClientError> {
        let device = identity.device(&self.ids);
        let issued = self.api.bootstrap(&device.id, identity.key()).await?;
        self.session.set_device(device);
        // Only the process that got the machine's usual id may overwrite a key that another process stored.
        if let Identity::Usual { key: Some(held) } = &mut identity
            && std::mem::take(&mut held.is_new)
        {
            self.store.settle_on(&held.key).await;
        }
        self.identity = identity;
        Ok(issued)
    }

    /// Reads the key for the usual id, or makes one, unless it is there already.
    async fn read_key(&mut self) -> Result<(), ClientError> {
        if let Identity::Usual { key: None } = self.identity {
            self.identity = Identity::Usual { key: self.stored_key().await? };
        }
        Ok(())
    }

    async fn key_for_usual_id(&self) -> Option<HeldKey> {
        match &self.identity {
            Identity::Usual { key } => key.clone(),
            Identity::Keyed(key) => Some(HeldKey { key: Arc::clone(key), is_new: false }),
            // The key may be readable by now.
            Identity::Keyless => self.stored_key().await.ok().flatten(),
        }
    }

    /// The key in the keychain; none if the keychain is out of use, so that nobody is prompted to unlock it.
    async fn stored_key(&self) -> Result<Option<HeldKey>, ClientError> {
        match self.session.status().storage {
            Storage::Keychain => self.store.device_key().await,
            Storage::Memory => Ok(None),
        }
    }

    /// The key that the keychain comes to hold in place of `held`: of the processes that start at once, each makes a key,
    /// and the one that gets the id stores its key for all.
    async fn key_of_another_process(
        &self,
        held: Option<&HeldKey>,
        pauses: &mut impl Iterator<Item = Duration>,
    ) -> Option<Arc<DeviceKey>> {
        let held = held?;
        loop {
            let kept = self.store.kept_key().await.ok().flatten()?;
            if kept.thumbprint() != held.key.thumbprint() {
                return Some(kept);
            }
            tokio::time::sleep(pauses.next()?).await;
        }
    }

    fn install(&self, issued: Issued) -> Arc<WrapperToken> {
        if issued.clock_skew_ms.is_some_and(|skew| skew.abs() > NOTABLE_SKEW_MS) {
            self.session.log(Level::Warn, "This machine's clock differs from the service's by more than a minute");
        }
        self.session.install(issued)
    }

    /// Stores a token under the id in use, and records where it is. The keyless id's token is not stored: if the key
    /// can be read at the next start, the device takes up its former id.
    fn keep(&self, token: Arc<WrapperToken>) -> impl Future<Output = Result<(), ClientError>> + Send + use<> {
        let is_keyless = matches!(self.identity, Identity::Keyless);
        let device = self.identity.device(&self.ids);
        let (store, session) = (self.store.clone(), Arc::clone(&self.session));
        async move {
            if !is_keyless {
                store.save(&token, &device.id).await?;
                session.set_storage(store.storage());
            }
            Ok(())
        }
    }

    fn is_usable(&self, token: &WrapperToken) -> bool {
        self.failover.accept(token) && !token.is_expired(self.clock.now())
    }
}

fn is_of_another_key(error: &ClientError) -> bool {
    matches!(error, ClientError::Denied { code: ErrorCode::DeviceKeyMismatch, .. })
}

/// The waits, in milliseconds, before each further look for the key of the process that got the id: a busy keychain stores
/// it in a second.
const SETTLING: [u64; 4] = [200, 400, 800, 1600];

const NOTABLE_SKEW_MS: i64 = 60_000;
