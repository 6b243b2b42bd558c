//! The device's id, a hash of the machine's id. Also called by `deviceId()` without a client.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use crate::wire::DeviceId;

/// A device id and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocalDevice {
    /// The id that the service knows this device by.
    #[serde(rename = "deviceId")]
    pub id: DeviceId,
    /// What the id was made from.
    #[serde(rename = "deviceIdSource")]
    pub source: DeviceIdSource,
}

/// What a device id was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceIdSource {
    /// Derived from the machine's id.
    Machine,
    /// Drawn at random, because the machine has no usable id, and kept in the keychain.
    Random,
}

/// Reads the operating system's machine id; tests pass their own.
pub type MachineId = fn() -> Option<Zeroizing<String>>;

/// The machine's id as the operating system gives it, unchecked.
#[must_use]
pub fn system_machine_id() -> Option<Zeroizing<String>> {
    machine_uid::get().ok().map(Zeroizing::new)
}

/// The ids that an app can have on one machine: hashes keyed with the machine's id. That id is confidential
/// (machine-id(5)): it cannot be found from a hash, and the ids of two apps cannot be linked.
#[derive(Clone)]
pub struct DeviceIds {
    root: hmac::Key,
    app_id: String,
    /// The default id, which all users of the app on this machine share.
    pub usual: LocalDevice,
}

impl DeviceIds {
    /// Based on the machine's id. `None` without a usable one: some containers and cloned images have an empty, zero or
    /// unfinished one.
    #[must_use]
    pub fn of_machine(app_id: &str, machine_id: MachineId) -> Option<Self> {
        let machine = canonical(&machine_id()?)?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, machine.as_bytes());
        let id = hashed(&root, app_id, "");
        Some(Self { root, app_id: app_id.to_owned(), usual: LocalDevice { id, source: DeviceIdSource::Machine } })
    }

    /// Based on a random id, for a machine without a usable one.
    #[must_use]
    pub fn random(app_id: &str, id: DeviceId) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, id.as_str().as_bytes());
        Self { root, app_id: app_id.to_owned(), usual: LocalDevice { id, source: DeviceIdSource::Random } }
    }

    /// The ids of the same app that follow from another random id.
    #[must_use]
    pub fn with_random(&self, id: DeviceId) -> Self {
        Self::random(&self.app_id, id)
    }

    /// The id for our key when the usual id is bound to another key: that of another user of this machine, or our own
    /// before the keychain was lost.
    #[must_use]
    pub fn keyed(&self, thumbprint: &str) -> LocalDevice {
        self.other(&format!("/key/{thumbprint}"))
    }

    /// Fallback id for a machine whose usual id is bound to a key that we do not have. It is never bound to a key.
    #[must_use]
    pub fn keyless(&self) -> LocalDevice {
        self.other("/keyless")
    }

    fn other(&self, what: &str) -> LocalDevice {
        LocalDevice { id: hashed(&self.root, &self.app_id, what), source: self.usual.source }
    }
}

/// The usual id of an app on this machine; `None` without a usable machine id.
#[must_use]
pub fn derive(app_id: &str, machine_id: MachineId) -> Option<DeviceId> {
    DeviceIds::of_machine(app_id, machine_id).map(|ids| ids.usual.id)
}

/// The first 16 bytes, in hexadecimal, of `HMAC-SHA256(machine id, "valetkey/<app>/device-id/v1" + what)`.
fn hashed(root: &hmac::Key, app_id: &str, what: &str) -> DeviceId {
    let tag = hmac::sign(root, format!("valetkey/{app_id}/device-id/v1{what}").as_bytes());
    parse(&tag.as_ref()[..16]).expect("32 hexadecimal digits are an id")
}

/// A random id, for a machine without a usable one.
///
/// # Panics
/// Never: 32 hexadecimal digits are an id.
#[must_use]
pub fn random() -> DeviceId {
    parse(&crate::random::random::<16>()).expect("32 hexadecimal digits are an id")
}

fn parse(bytes: &[u8]) -> Option<DeviceId> {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    DeviceId::parse(&text).ok()
}

/// The machine id's 32 hexadecimal digits without dashes (Windows and macOS have UUIDs); `None` if all are equal.
fn canonical(raw: &str) -> Option<Zeroizing<String>> {
    let mut digits = Zeroizing::new(raw.trim().replace('-', "").to_ascii_lowercase());
    let valid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let first = digits.bytes().next();
    if valid && digits.bytes().any(|byte| Some(byte) != first) {
        return Some(digits);
    }
    digits.zeroize();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the signature of a machine id source")]
    fn machine() -> Option<Zeroizing<String>> {
        Some(Zeroizing::new("0123456789abcdef0123456789abcdef\n".into()))
    }

    #[test]
    fn an_id_is_stable_hashed_and_different_for_each_app() {
        let id = derive("com.example.a", machine).unwrap();
        assert_eq!(Some(&id), derive("com.example.a", machine).as_ref());
        assert_ne!(Some(&id), derive("com.example.b", machine).as_ref());
        assert!(!id.as_str().contains("0123456789abcdef"));
        // Pinned: another derivation would make every installed device a new one.
        assert_eq!(id.as_str(), "2b3e000f610c8d80bc8c57b894bd22cf");
    }

    #[test]
    fn keyed_and_keyless_ids_are_stable_and_all_different() {
        let machines = DeviceIds::of_machine("com.example.a", machine).unwrap();
        let random = DeviceIds::random("com.example.a", DeviceId::parse("device-0001").unwrap());
        let all_of = |ids: &DeviceIds| [ids.usual.clone(), ids.keyed("one"), ids.keyed("two"), ids.keyless()];
        for ids in [&machines, &random] {
            assert_eq!(all_of(ids), all_of(&ids.clone()));
            assert!(all_of(ids).iter().all(|device| device.source == ids.usual.source));
        }
        let all: std::collections::HashSet<_> =
            [all_of(&machines), all_of(&random)].concat().into_iter().map(|it| it.id).collect();
        assert_eq!(all.len(), 8);
        assert_eq!(random.usual.id.as_str(), "device-0001");
    }

    #[test]
    fn one_machine_has_one_id_however_it_is_spelled() {
        let uuid: MachineId = || Some(Zeroizing::new("01234567-89AB-CDEF-0123-456789ABCDEF".into()));
        assert_eq!(derive("app", uuid), derive("app", machine));
    }

    #[test]
    fn an_unusable_machine_id_gives_none() {
        let unusable: [MachineId; 5] = [
            || None,
            || Some(Zeroizing::new(String::new())),
            || Some(Zeroizing::new("uninitialized\n".into())),
            || Some(Zeroizing::new("0".repeat(32))),
            || Some(Zeroizing::new("g".repeat(32))),
        ];
        for machine_id in unusable {
            assert_eq!(derive("app", machine_id), None);
        }
        assert_ne!(random(), random());
    }
}
