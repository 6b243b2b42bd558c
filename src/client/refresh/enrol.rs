//! Enrols the device: by the machine's usual id, or by an id of its own if another key owns the usual one. The user
//! notices neither.

use std::sync::Arc;

use super::RefreshLoop;
use crate::client::device::LocalDevice;
use crate::client::device_key::DeviceKey;
use crate::client::error::ClientError;
use crate::client::service_api::Issued;
use crate::client::status::{Level, Storage};
use crate::wire::ErrorCode;

impl RefreshLoop {
    /// Reads the device's key, or makes one, unless it is there already. If the keychain is out of use, this does not
    /// prompt the user to unlock it.
    pub(super) async fn read_key(&mut self) -> Result<(), ClientError> {
        if self.key.is_none()
            && self.parts.session.status().storage == Storage::Keychain
            && let Some((key, is_new)) = self.parts.token_store.device_key().await?
        {
            (self.key, self.key_is_new) = (Some(key), is_new);
        }
        Ok(())
    }

    /// The key to prove for `device`; none for the keyless id.
    pub(super) fn key_of(&self, device: &LocalDevice) -> Option<&DeviceKey> {
        self.key.as_deref().filter(|_| !self.is_keyless(device))
    }

    /// Whether `device` has the keyless id. Its token is not stored: if the key is readable at the next start, the
    /// device takes up its former id.
    pub(super) fn is_keyless(&self, device: &LocalDevice) -> bool {
        *device == self.parts.identity.keyless()
    }

    /// Gets a first token, and settles which id the device has from then on; after an error the id is unchanged.
    pub(super) async fn enrol(&mut self) -> Result<Issued, ClientError> {
        let usual = self.parts.identity.usual().clone();
        match self.enrol_as(usual.clone()).await {
            Err(error) if is_of_another_key(&error) => {}
            other => return other,
        }
        if self.has_another_key().await {
            match self.enrol_as(usual).await {
                Err(error) if is_of_another_key(&error) => {}
                other => return other,
            }
        }
        self.parts
            .session
            .log(Level::Info, "Another key owns this machine's device id; this device uses an id of its own");
        let own = match &self.key {
            Some(key) => self.parts.identity.keyed(&key.thumbprint()),
            None => self.parts.identity.keyless(),
        };
        self.enrol_as(own).await
    }

    async fn enrol_as(&mut self, device: LocalDevice) -> Result<Issued, ClientError> {
        let issued = self.parts.api.bootstrap(&device.id, self.key_of(&device)).await?;
        // Only the process that got the machine's usual id may overwrite a key that another process stored.
        let is_usual = device == *self.parts.identity.usual();
        self.parts.session.set_device(device);
        if let Some(key) = self.key.as_ref().filter(|_| self.key_is_new && is_usual) {
            self.parts.token_store.settle_on(key).await;
        }
        self.key_is_new = false;
        Ok(issued)
    }

    /// Whether the keychain holds another key by now: of two processes that start at once, one stores its key first.
    async fn has_another_key(&mut self) -> bool {
        let Some(held) = &self.key else { return false };
        match self.parts.token_store.kept_key().await {
            Ok(Some(kept)) if kept.thumbprint() != held.thumbprint() => {
                (self.key, self.key_is_new) = (Some(Arc::clone(&kept)), false);
                true
            }
            _ => false,
        }
    }
}

fn is_of_another_key(error: &ClientError) -> bool {
    matches!(error, ClientError::Denied { code: ErrorCode::DeviceKeyMismatch, .. })
}
