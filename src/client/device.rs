//! Step 1 of a credential: the device's id, made from the machine's and never equal to it.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use zeroize::{Zeroize, Zeroizing};

use crate::wire::DeviceId;

/// Who we are to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The id.
    pub id: DeviceId,
    /// Where it comes from.
    pub source: DeviceIdSource,
}

/// Where a device id comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceIdSource {
    /// Derived from the machine's id.
    Machine,
    /// Drawn at random, because the machine has no usable id, and kept with the token.
    Random,
}

impl DeviceIdSource {
    /// As the status names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Random => "random",
        }
    }
}

/// Reads the operating system's machine id; tests pass their own.
pub type MachineId = fn() -> Option<Zeroizing<String>>;

/// The machine id as the operating system gives it, unchecked.
#[must_use]
pub fn system_machine_id() -> Option<Zeroizing<String>> {
    machine_uid::get().ok().map(Zeroizing::new)
}

/// The ids that an app can have on one machine. They are hashes with the machine's id as the key: it is confidential
/// (machine-id(5)), and so it cannot be found again, and two apps get ids that nobody can link.
#[derive(Clone)]
pub struct Identity {
    root: hmac::Key,
    app_id: String,
    usual: Device,
}

impl Identity {
    /// By the machine's id. `None` when it has no usable one: some containers and cloned images have an empty, zero or
    /// unfinished one.
    #[must_use]
    pub fn of_machine(app_id: &str, machine_id: MachineId) -> Option<Self> {
        let machine = canonical(&machine_id()?)?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, machine.as_bytes());
        let id = hashed(&root, app_id, "");
        Some(Self { root, app_id: app_id.to_owned(), usual: Device { id, source: DeviceIdSource::Machine } })
    }

    /// By a random id.
    #[must_use]
    pub fn random(app_id: &str, id: DeviceId) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, id.as_str().as_bytes());
        Self { root, app_id: app_id.to_owned(), usual: Device { id, source: DeviceIdSource::Random } }
    }

    /// The id that everybody here would have.
    #[must_use]
    pub fn usual(&self) -> &Device {
        &self.usual
    }

    /// The id of who has this key, where the usual one is another key's: that of another user of this machine, or ours
    /// before the keychain was lost.
    #[must_use]
    pub fn keyed(&self, thumbprint: &str) -> Device {
        self.other(&format!("/key/{thumbprint}"))
    }

    /// The id of who has no key, where the usual one is a key's. No key is ever proved with it.
    #[must_use]
    pub fn keyless(&self) -> Device {
        self.other("/keyless")
    }

    fn other(&self, what: &str) -> Device {
        Device { id: hashed(&self.root, &self.app_id, what), source: self.usual.source }
    }
}

/// The usual id of an app on this machine.
#[must_use]
pub fn derive(app_id: &str, machine_id: MachineId) -> Option<DeviceId> {
    Identity::of_machine(app_id, machine_id).map(|identity| identity.usual.id)
}

/// `HMAC-SHA256(machine id, "valetkey/<app>/device-id/v1")`, its first 16 bytes in hexadecimal.
fn hashed(root: &hmac::Key, app_id: &str, what: &str) -> DeviceId {
    let tag = hmac::sign(root, format!("valetkey/{app_id}/device-id/v1{what}").as_bytes());
    parse(&tag.as_ref()[..16]).expect("32 hexadecimal digits are an id")
}

/// A random id, for a machine that has none.
///
/// # Panics
/// When the system has no random bytes.
#[must_use]
pub fn random() -> DeviceId {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source works, or nothing here is safe");
    parse(&bytes).expect("32 hexadecimal digits are an id")
}

fn parse(bytes: &[u8]) -> Option<DeviceId> {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    DeviceId::parse(&text).ok()
}

/// 32 hexadecimal digits, dashes dropped (Windows and macOS have UUIDs), not all the same.
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
    fn the_other_ids_of_a_machine_are_as_stable_and_all_different() {
        let machines = Identity::of_machine("com.example.a", machine).unwrap();
        let random = Identity::random("com.example.a", DeviceId::parse("device-0001").unwrap());
        let ids = |of: &Identity| [of.usual().clone(), of.keyed("one"), of.keyed("two"), of.keyless()];
        for identity in [&machines, &random] {
            assert_eq!(ids(identity), ids(&identity.clone()));
            assert!(ids(identity).iter().all(|device| device.source == identity.usual().source));
        }
        let all: std::collections::HashSet<_> =
            [ids(&machines), ids(&random)].concat().into_iter().map(|it| it.id).collect();
        assert_eq!(all.len(), 8);
        assert_eq!(random.usual().id.as_str(), "device-0001");
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
