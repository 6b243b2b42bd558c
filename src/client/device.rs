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
    /// Drawn at random and kept with the token: the machine has no usable id, or the service knows it as the id of a device
    /// with another key, such as that of another user of this machine.
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

/// This app's id for this machine: `HMAC-SHA256(machine id, "valetkey/<app>/device-id/v1")`, its first 16 bytes in
/// hexadecimal. The machine id is confidential (machine-id(5)); keyed this way it cannot be found again, and two apps get
/// ids that nobody can link.
///
/// `None` when the machine has no usable id: some containers and cloned images have an empty, zero or unfinished one.
#[must_use]
pub fn derive(app_id: &str, machine_id: MachineId) -> Option<DeviceId> {
    let machine = canonical(&machine_id()?)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, machine.as_bytes());
    let tag = hmac::sign(&key, format!("valetkey/{app_id}/device-id/v1").as_bytes());
    parse(&tag.as_ref()[..16])
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
