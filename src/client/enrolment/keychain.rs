//! A keychain that failed and works again: the device takes up its key, and the id that belongs to that key.

use super::Enrolment;
use crate::client::device::DeviceIdSource;
use crate::client::error::ClientError;
use crate::client::identity::Identity;
use crate::client::renewal_lock::HeldLock;

impl Enrolment {
    /// Whether the keychain was denied to the app, mostly by a person who dismissed its prompt.
    pub(in crate::client) fn keychain_was_denied(&self) -> bool {
        self.store.was_denied()
    }

    /// Uses the keychain again after it failed: takes up the key in it, and the id that belongs to that key, and stores
    /// the token.
    pub(in crate::client) async fn take_up_keychain(&mut self) -> Result<(), ClientError> {
        let turn = self.store.turn().await;
        let former = self.ids.clone();
        let key_taken = self.take_up_key(turn.as_ref()).await;
        if !self.has_own_id() {
            self.ids = former;
        }
        key_taken?;
        match self.session.token() {
            Some(token) => self.keep(token).await,
            None => Ok(()),
        }
    }

    async fn take_up_key(&mut self, turn: Option<&HeldLock>) -> Result<(), ClientError> {
        self.settle_random_id().await?;
        let held = self.store.device_key().await?;
        let has_own_id = self.has_own_id();
        match &self.identity {
            Identity::Usual { key: None } if has_own_id => {
                self.identity = Identity::Usual { key: held };
                return Ok(());
            }
            Identity::Usual { .. } | Identity::Keyed(_) if has_own_id => return Ok(()),
            _ => {}
        }
        if let Some(stored) = self.usable_stored().await? {
            self.take(stored);
            return Ok(());
        }
        match self.enrol_with(held, turn).await {
            Ok(issued) => {
                self.install(issued);
                Ok(())
            }
            // The token in use is good for a while; the next start has the key from its beginning.
            Err(error) if error.is_refusal() => {
                self.session.set_storage(self.store.storage());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the device in use is the one that the ids and the identity make.
    fn has_own_id(&self) -> bool {
        self.session.status().device == self.identity.device(&self.ids)
    }

    /// Takes the random id that the keychain holds, on a machine without an id of its own.
    async fn settle_random_id(&mut self) -> Result<(), ClientError> {
        if self.ids.usual.source == DeviceIdSource::Random {
            let kept = self.store.random_device_id(self.ids.usual.id.clone()).await?;
            self.ids = self.ids.with_random(kept);
        }
        Ok(())
    }
}
