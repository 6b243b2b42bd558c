//! The signing keys as an operator writes them: `kid:secret`, the first signs, all verify.
//!
//! Read at the start from `JWT_SECRETS` or `JWT_SECRETS_FILE`, and from the file again at every reload. All faults are
//! reported at once, by the key's name or its place. A text without a valid name may be a secret, so it is never shown.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::Kid;
use crate::secret::Secret;
use crate::service::token::secret_strength::{WeakSecretError, weakness};

/// One or more keys with distinct names and distinct secrets.
#[derive(Debug, Clone)]
pub struct KeyList(Vec<NamedSecret>);

/// A secret and the name by which tokens know it.
#[derive(Debug, Clone)]
pub struct NamedSecret {
    pub kid: Kid,
    pub secret: Secret,
}

/// A fault of one key, or of the whole list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    #[error("names no key; write <kid>:<secret>, the one that signs first")]
    Empty,
    /// More keys than a rotation ever needs.
    #[error("names more than {MOST} keys")]
    TooMany,
    #[error("{0} is not <kid>:<secret>")]
    Shape(KeyPosition),
    #[error("{0} has a kid that is not 1 to 32 letters, digits, _ or -")]
    Kid(KeyPosition),
    /// The secret would be guessed.
    #[error("the secret of {0} {1}; use at least 32 random bytes")]
    Weak(Kid, WeakSecretError),
    #[error("{0} is there twice")]
    SameKid(Kid),
    /// Two names have one secret, so that retiring one of them would retire nothing.
    #[error("{0} and {1} have the same secret")]
    SameSecret(Kid, Kid),
}

/// The place of a key in a list, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPosition {
    /// An entry between commas.
    Entry(usize),
    /// A line of a file.
    Line(usize),
}

impl fmt::Display for KeyPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(number) => write!(f, "entry {number}"),
            Self::Line(number) => write!(f, "line {number}"),
        }
    }
}

impl KeyList {
    /// The one key of `JWT_SECRET`, whatever its strength: on loopback a short secret is the user's choice.
    pub fn of_one(secret: Secret) -> Self {
        Self(vec![NamedSecret { kid: Kid::default(), secret }])
    }

    /// Reads `JWT_SECRETS`: entries between commas. Returns all faults, not only the first.
    pub fn from_variable(text: &str) -> Result<Self, Vec<KeyListError>> {
        Self::parse(text.split(',').enumerate().map(|(at, entry)| (KeyPosition::Entry(at + 1), entry)))
    }

    /// Reads the content of `JWT_SECRETS_FILE`: a key on each line; lines that begin with `#` are comments. Returns all
    /// faults, not only the first.
    pub fn from_file(text: &str) -> Result<Self, Vec<KeyListError>> {
        let lines = text.lines().enumerate().map(|(at, line)| (KeyPosition::Line(at + 1), line));
        Self::parse(lines.filter(|(_, line)| !line.trim_start().starts_with('#')))
    }

    /// The signing key comes first.
    pub fn keys(&self) -> &[NamedSecret] {
        &self.0
    }

    fn parse<'a>(entries: impl Iterator<Item = (KeyPosition, &'a str)>) -> Result<Self, Vec<KeyListError>> {
        let mut faults = Vec::new();
        let mut keys = Vec::new();
        for (place, entry) in entries {
            match entry.trim() {
                "" => {}
                entry => match NamedSecret::parse(place, entry) {
                    Ok(key) => keys.push(key),
                    Err(fault) => faults.push(fault),
                },
            }
        }
        faults.extend(twice(&keys));
        if keys.is_empty() && faults.is_empty() {
            faults.push(KeyListError::Empty);
        }
        if keys.len() > MOST {
            faults.push(KeyListError::TooMany);
        }
        if faults.is_empty() { Ok(Self(keys)) } else { Err(faults) }
    }
}

impl NamedSecret {
    fn parse(place: KeyPosition, entry: &str) -> Result<Self, KeyListError> {
        let (kid, secret) = entry.split_once(':').ok_or(KeyListError::Shape(place))?;
        let kid = Kid::parse(kid.trim()).ok_or(KeyListError::Kid(place))?;
        let secret = secret.trim();
        match weakness(secret) {
            Some(weakness) => Err(KeyListError::Weak(kid, weakness)),
            None => Ok(Self { kid, secret: Secret::new(secret) }),
        }
    }
}

/// Names and secrets that occur twice.
fn twice(keys: &[NamedSecret]) -> Vec<KeyListError> {
    let mut faults = Vec::new();
    let (mut kids, mut secrets) = (HashSet::new(), HashMap::new());
    for NamedSecret { kid, secret } in keys {
        if !kids.insert(kid) {
            faults.push(KeyListError::SameKid(kid.clone()));
        } else if let Some(first) = secrets.insert(secret.expose(), kid) {
            faults.push(KeyListError::SameSecret(first.clone(), kid.clone()));
        }
    }
    faults
}

/// A rotation needs two; each further key is a label in the metrics and a comparison at a token's first use.
const MOST: usize = 16;

#[cfg(test)]
mod tests;
