//! The secrets that sign wrapper tokens, chosen by `kid`.
//!
//! The keys in use are one immutable set behind a pointer. A reload swaps the pointer, so signing and verifying never
//! wait, and see either the old set or the new one.

mod figures;
mod key_file;
mod key_list;
mod key_set;
mod kid;
mod reload;
mod token_error;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::ConstCounter;

pub use self::figures::{KeyFigures, KeyTally, KidFigures};
pub use self::key_file::{KeyFile, KeyFileError};
pub use self::key_list::{KeyList, KeyListError, KeyPosition, NamedSecret};
use self::key_set::KeySet;
pub(crate) use self::key_set::MAC_LENGTH;
pub use self::kid::Kid;
pub(crate) use self::reload::follower;
pub use self::token_error::{TokenError, Verified};
use crate::secret::Secret;
use crate::service::telemetry::metrics::{FamilyEncoder, MetricSource};
use crate::wire::Claims;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub enum SigningSecret {
    Given(KeyList),
    /// `JWT_SECRETS_FILE`, whose changes take effect while the service runs.
    Followed(KeyFile),
    /// No secret is configured and only this machine is served: a random secret, kept in this file.
    KeptIn(PathBuf),
}

/// The keys of the service: the first signs, all verify.
pub struct KeyRing {
    current: ArcSwap<KeySet>,
    unknown: AtomicU64,
    reloaded: AtomicU64,
    reload_failed: AtomicU64,
    refused_now: AtomicBool,
}

impl KeyRing {
    pub fn new(list: &KeyList) -> Self {
        Self {
            current: ArcSwap::from_pointee(KeySet::new(list, None)),
            unknown: AtomicU64::new(0),
            reloaded: AtomicU64::new(0),
            reload_failed: AtomicU64::new(0),
            refused_now: AtomicBool::new(false),
        }
    }

    /// Signs `claims` with the first key (RFC 7515, HS256) and returns the compact token.
    pub fn sign(&self, claims: &Claims) -> Secret {
        self.current.load().sign(claims)
    }

    /// Checks header and signature, and returns the claims, whose times and audience are still to be judged.
    pub fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        let verified = self.current.load().verify(token);
        if matches!(verified, Err(TokenError::UnknownKey)) {
            self.unknown.fetch_add(1, Ordering::Relaxed);
        }
        verified
    }

    /// The MAC of `message`, which only a holder of one of these secrets can make. It is valid for this `purpose`
    /// alone, as long as the key is in use.
    pub(crate) fn mac(&self, purpose: &[u8], message: &[u8]) -> [u8; MAC_LENGTH] {
        self.current.load().signer().mac(purpose, message)
    }

    /// Whether `mac` is a MAC by one of the keys in use.
    pub(crate) fn is_mac(&self, purpose: &[u8], message: &[u8], mac: &[u8]) -> bool {
        self.current.load().is_mac(purpose, message, mac)
    }

    /// Whether `key` is still in use. The token cache asks this before a cached token is used again.
    pub(crate) fn holds(&self, key: &Arc<KeyTally>) -> bool {
        self.current.load().tallies().any(|held| Arc::ptr_eq(held, key))
    }

    /// Replaces the keys in use. Keys that are in both lists stay as they are.
    pub fn replace(&self, list: &KeyList) {
        let next = KeySet::new(list, Some(&self.current.load()));
        self.current.store(Arc::new(next));
        self.reloaded.fetch_add(1, Ordering::Relaxed);
        self.refused_now.store(false, Ordering::Relaxed);
    }

    fn count_failed_reload(&self) {
        self.reload_failed.fetch_add(1, Ordering::Relaxed);
        self.refused_now.store(true, Ordering::Relaxed);
    }

    pub fn figures(&self) -> KeyFigures {
        let current = self.current.load();
        KeyFigures {
            kids: current.tallies().enumerate().map(|(at, tally)| tally.read(at == 0)).collect(),
            unknown: self.unknown.load(Ordering::Relaxed),
            reloaded: self.reloaded.load(Ordering::Relaxed),
            reload_failed: self.reload_failed.load(Ordering::Relaxed),
            refused_now: self.refused_now.load(Ordering::Relaxed),
        }
    }
}

impl MetricSource for KeyRing {
    fn collect(&self, page: &mut FamilyEncoder<'_>) -> fmt::Result {
        let figures = self.figures();
        let known = figures.kids.iter().flat_map(|key| {
            let kid = key.kid.as_str();
            [(kid, "admitted", key.admitted), (kid, "signed", key.signed)]
        });
        let series = known
            .chain([("unknown", "refused", figures.unknown)])
            .map(|(kid, event, count)| ([("kid", kid), ("event", event)], ConstCounter::new(count)));
        page.family("jwt_tokens", "Wrapper tokens by the key that signed them", series)?;
        let reloads = [("taken", figures.reloaded), ("refused", figures.reload_failed)];
        let help = "Attempts to take over a changed file of signing keys";
        page.counters("signing_key_reloads", help, "outcome", reloads)?;
        let help = "1 while the file of signing keys cannot be used, so that the keys read before stay in use";
        page.gauge("signing_key_file_refused", help, u32::from(figures.refused_now))
    }
}

#[cfg(test)]
mod tests;
