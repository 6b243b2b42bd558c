//! What verifying a token leads to.

use std::sync::Arc;

use super::figures::KeyTally;
use crate::wire::Claims;

/// Callers answer all faults alike, so that a client learns nothing from the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three base64url parts of sensible length.
    #[error("not a token")]
    Shape,
    /// Another algorithm, type or field in the header.
    #[error("unexpected token header")]
    Header,
    /// No key of that name, or no name.
    #[error("unknown kid")]
    UnknownKey,
    /// Altered, or signed with another secret.
    #[error("wrong signature")]
    Signature,
    /// The payload is not the claims of a wrapper token.
    #[error("unexpected claims")]
    Claims,
}

#[derive(Debug, Clone)]
pub struct Verified {
    /// Their times and audience are still to be judged.
    pub claims: Claims,
    /// The key that signed the token.
    pub key: Arc<KeyTally>,
}
