//! The one type that holds a secret; every part of the crate uses it.

use std::fmt;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A key, a token or a password: redacted in `Debug`, wiped on drop, without `Display` and `Serialize`.
///
/// Only [`expose`](Self::expose) reads it, so a search for that word finds every use.
#[derive(Clone)]
pub struct Secret(Zeroizing<Box<str>>);

impl Secret {
    /// Takes over `text`, which is wiped on drop.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. Pass it to the one call that needs it and keep no copy.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time: only the two lengths influence it.
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), candidate).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_secret() {
        let shown = format!("{:?} {:#?}", Secret::new("canary"), Some(Secret::new("canary")));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn a11_only_the_whole_text_matches() {
        let secret = Secret::new("canary");
        assert!(secret.matches(b"canary"));
        for other in ["", "canar", "canary1", "Canary", "xanary"] {
            assert!(!secret.matches(other.as_bytes()), "{other}");
        }
    }
}
