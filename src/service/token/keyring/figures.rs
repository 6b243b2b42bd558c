//! Counts of signing keys, by which an operator sees that every instance has a key and that an old one is not used any
//! more. Labels are the keys in use, so their number is bounded.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Kid;

/// One signing key as the rest of the service knows it: its name and its counts, never its secret.
///
/// A tally lives as long as the key's secret is in use; the same name with another secret is another key.
#[derive(Debug)]
pub struct KeyTally {
    pub(super) kid: Kid,
    admitted: AtomicU64,
    signed: AtomicU64,
}

impl KeyTally {
    pub(super) fn new(kid: Kid) -> Self {
        Self { kid, admitted: AtomicU64::new(0), signed: AtomicU64::new(0) }
    }

    /// Counts a request with a token of this key that was valid in every respect.
    pub(crate) fn count_admitted(&self) {
        self.admitted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_signed(&self) {
        self.signed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, signs: bool) -> KidFigures {
        KidFigures {
            kid: self.kid.clone(),
            signs,
            admitted: self.admitted.load(Ordering::Relaxed),
            signed: self.signed.load(Ordering::Relaxed),
        }
    }
}

/// The counts of a ring, read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFigures {
    /// The keys in use, the signing one first.
    pub kids: Vec<KidFigures>,
    /// Tokens that named a key that is not in use.
    pub unknown: u64,
    /// Reloads that took effect.
    pub reloaded: u64,
    /// Reloads that were refused; the keys in use stayed.
    pub reload_failed: u64,
    /// Whether the last reload was refused: the file is still not valid.
    pub refused_now: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KidFigures {
    pub kid: Kid,
    /// Whether the key signs new tokens.
    pub signs: bool,
    /// Requests with a valid token of this key.
    pub admitted: u64,
    pub signed: u64,
}
