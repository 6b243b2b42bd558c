//! The name of a signing key. It stands in each token's header, in logs and in metrics, so its form is narrow.

use std::fmt;
use std::sync::Arc;

/// 1 to 32 of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kid(Arc<str>);

impl Kid {
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        ((1..=LONGEST).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Kid {
    /// The name of the key that `JWT_SECRET` gives.
    fn default() -> Self {
        Self("k1".into())
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const LONGEST: usize = 32;
