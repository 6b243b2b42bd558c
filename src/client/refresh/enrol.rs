//! A first token: by the id that everybody on this machine would have, or, where that belongs to another key, by an id of
//! our own. The person need not know.

use std::sync::Arc;

use super::RefreshLoop;
use crate::client::device::Device;
use crate::client::device_key::DeviceKey;
use crate::client::error::ClientError;
use crate::client::service_api::Issued;
use crate::client::status::{Level, Storage};
use crate::wire::ErrorCode;

impl RefreshLoop {
    /// Reads the key, or makes one, unless that was done before. While the keychain cannot be used nobody is asked to unlock
    /// it for this.
    ///
    /// # Errors
    /// Why the keychain does not give it.
    pub(super) async fn read_key(&mut self) -> Result<(), ClientError> {
        if self.key.is_none()
            && self.parts.session.status().storage == Storage::Keychain
            && let Some((key, is_new)) = self.parts.keep.device_key().await?
        {
            (self.key, self.key_is_new) = (Some(key), is_new);
        }
        Ok(())
    }

    /// The key that is proved with a device's id.
    pub(super) fn key_of(&self, device: &Device) -> Option<&DeviceKey> {
        self.key.as_deref().filter(|_| !self.is_keyless(device))
    }

    /// Whether a device is the one that has no key. What it has is not kept: with the key, at the next start, it is the device
    /// that it was.
    pub(super) fn is_keyless(&self, device: &Device) -> bool {
        *device == self.parts.identity.keyless()
    }

    /// A first token, and who we are from then on.
    ///
    /// # Errors
    /// [`ClientError`]; then we are who we were.
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
            .log(Level::Info, "The service knows this machine's id by another key; this device has its own");
        let own = match &self.key {
            Some(key) => self.parts.identity.keyed(&key.thumbprint()),
            None => self.parts.identity.keyless(),
        };
        self.enrol_as(own).await
    }

    async fn enrol_as(&mut self, device: Device) -> Result<Issued, ClientError> {
        let issued = self.parts.api.bootstrap(&device.id, self.key_of(&device)).await?;
        // Only who has the machine's id may write over what another process has written.
        let is_usual = device == *self.parts.identity.usual();
        self.parts.session.set_device(device);
        if let Some(key) = self.key.as_ref().filter(|_| self.key_is_new && is_usual) {
            self.parts.keep.settle_on(key).await;
        }
        self.key_is_new = false;
        Ok(issued)
    }

    /// Whether the keychain has another key by now: of two processes of an app that begin at once one is first.
    async fn has_another_key(&mut self) -> bool {
        let Some(held) = &self.key else { return false };
        match self.parts.keep.kept_key().await {
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
