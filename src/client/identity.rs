//! The id that a device uses, of the ids that it can have, and the key that it proves for that id.

use std::sync::Arc;

use super::device::{DeviceIds, LocalDevice};
use super::device_key::DeviceKey;

/// The id that this device uses now. Nobody at the desktop notices a change from one to another.
pub(super) enum Identity {
    /// The machine's usual id; no key before the keychain was read, or when it cannot be.
    Usual { key: Option<HeldKey> },
    /// An id made from the device's own key: another key owns the usual id.
    Keyed(Arc<DeviceKey>),
    /// The id without a key: a key that this device cannot read owns the usual id.
    Keyless,
}

/// The device's key, as this process holds it.
#[derive(Clone)]
pub(super) struct HeldKey {
    pub key: Arc<DeviceKey>,
    /// The key was made in this run, and the service has not seen it yet.
    pub is_new: bool,
}

impl Identity {
    #[must_use]
    pub(super) fn device(&self, ids: &DeviceIds) -> LocalDevice {
        match self {
            Self::Usual { .. } => ids.usual.clone(),
            Self::Keyed(key) => ids.keyed(&key.thumbprint()),
            Self::Keyless => ids.keyless(),
        }
    }

    #[must_use]
    pub(super) fn key(&self) -> Option<&DeviceKey> {
        match self {
            Self::Usual { key } => key.as_ref().map(|held| &*held.key),
            Self::Keyed(key) => Some(key),
            Self::Keyless => None,
        }
    }
}
