//! Nonces of proofs (RFC 9449 §8): a time and a random number with a MAC of ours, good once and for two minutes.
//!
//! So proofs cannot be made in advance or replayed, and a wrong clock on the device does not matter. Every instance
//! accepts the nonces of all others by the MAC, but knows only the nonces used at itself: with several instances, an
//! attacker who intercepts a proof can replay it once at each other instance within two minutes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::clock::Clock;
use crate::lock::lock;
use crate::random::random;
use crate::service::base::enum_names::enum_names;
use crate::service::token::keyring::KeyRing;

pub(super) struct Nonces {
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    used: Mutex<Used>,
}

/// A nonce of ours that is not too old; it may have been used.
pub(super) struct Nonce([u8; RANDOM]);

/// Why a proof has to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NonceError {
    /// The proof has no nonce, as in every first proof.
    Missing,
    /// The nonce has no MAC of ours.
    Unknown,
    Old,
    Used,
    /// The memory of used nonces is full.
    Full,
}

/// Used nonces in two halves: when the younger half is as old as a nonce can be, the older half is dropped.
#[derive(Default)]
struct Used {
    since: u64,
    younger: HashSet<[u8; RANDOM]>,
    older: HashSet<[u8; RANDOM]>,
}

enum_names!(NonceError {
    Missing = "nonce_missing",
    Unknown = "nonce_unknown",
    Old = "nonce_old",
    Used = "nonce_used",
    Full = "nonces_full",
});

impl Nonces {
    /// `keys` make the MACs.
    pub(super) fn new(keys: Arc<KeyRing>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock, used: Mutex::default() }
    }

    pub(super) fn issue(&self) -> String {
        let mut bytes = [0; LENGTH];
        let (message, mac) = bytes.split_at_mut(MESSAGE);
        message[..TIME].copy_from_slice(&self.clock.unix_seconds().to_be_bytes());
        message[TIME..].copy_from_slice(&random::<RANDOM>());
        mac.copy_from_slice(&self.keys.mac(PURPOSE, message));
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks the MAC and the age of a nonce.
    pub(super) fn read(&self, text: Option<&str>) -> Result<Nonce, NonceError> {
        let text = text.ok_or(NonceError::Missing)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| <[u8; LENGTH]>::try_from(bytes).ok());
        let bytes = bytes.ok_or(NonceError::Unknown)?;
        let (message, mac) = bytes.split_at(MESSAGE);
        if !self.keys.is_mac(PURPOSE, message, mac) {
            return Err(NonceError::Unknown);
        }
        let (time, random) = message.split_at(TIME);
        let issued = u64::from_be_bytes(time.try_into().expect("eight bytes"));
        // Another instance's clock may be ahead of this one's.
        if self.clock.unix_seconds().abs_diff(issued) >= LIFE {
            return Err(NonceError::Old);
        }
        Ok(Nonce(random.try_into().expect("the rest")))
    }

    /// Marks the nonce as used.
    pub(super) fn take(&self, nonce: &Nonce) -> Result<(), NonceError> {
        let now = self.clock.unix_seconds();
        let mut used = lock(&self.used);
        used.forget(now);
        if used.younger.contains(&nonce.0) || used.older.contains(&nonce.0) {
            return Err(NonceError::Used);
        }
        if used.younger.len() >= MOST_USED {
            return Err(NonceError::Full);
        }
        used.younger.insert(nonce.0);
        Ok(())
    }
}

impl Used {
    fn forget(&mut self, now: u64) {
        // Twice the lifetime, because the clock of the issuing instance may be ahead. After the clock was set back the
        // halves turn at once.
        if now.abs_diff(self.since) >= 2 * LIFE {
            self.older = std::mem::take(&mut self.younger);
            self.since = now;
        }
    }
}

/// Lifetime of a nonce in seconds.
pub(super) const LIFE: u64 = 120;

const TIME: usize = size_of::<u64>();
const RANDOM: usize = 12;
const MESSAGE: usize = TIME + RANDOM;
const LENGTH: usize = MESSAGE + crate::service::token::keyring::MAC_LENGTH;

const PURPOSE: &[u8] = b"valetkey/dpop-nonce/v1";

/// About 2 MB per half.
const MOST_USED: usize = 1 << 16;

#[cfg(test)]
mod tests;
