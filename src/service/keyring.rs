//! The secrets that sign wrapper tokens, chosen by `kid`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::Deserialize;

use crate::secret::Secret;
use crate::wire::{Claims, TOKEN_TYP};

/// The keys of the service: the first signs, all verify.
pub struct KeyRing {
    keys: Vec<Key>,
}

struct Key {
    /// The only header that tokens of this key have, encoded.
    header: String,
    kid: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// Why a text is no token of ours. Callers answer all of them alike, so that nothing is learnt from the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not three base64url parts of sensible length.
    #[error("not a token")]
    Shape,
    /// Another algorithm, type or field in the header.
    #[error("unexpected token header")]
    Header,
    /// No key of that name, or none named.
    #[error("unknown kid")]
    UnknownKey,
    /// Altered, or signed by somebody else.
    #[error("wrong signature")]
    Signature,
    /// The payload is not the claims of a wrapper token.
    #[error("unexpected claims")]
    Claims,
}

/// The header of a wrapper token. Everything else that a JOSE header may hold (`jku`, `jwk`, `x5u`, `crit`, `zip` …) is
/// refused by its absence here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl KeyRing {
    /// A ring with one key, named [`DEFAULT_KID`].
    #[must_use]
    pub fn of_one(secret: &Secret) -> Self {
        Self { keys: vec![Key::new(DEFAULT_KID, secret)] }
    }

    /// Signs `claims` with the first key (RFC 7515, HS256) and answers the compact token.
    ///
    /// # Panics
    /// Never: claims are plain JSON and HMAC takes any key.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> Secret {
        let key = self.keys.first().expect("a ring is made with a key");
        let payload = serde_json::to_vec(claims).expect("claims are plain JSON");
        let mut token = format!("{}.{}", key.header, BASE64_URL_SAFE_NO_PAD.encode(payload));
        let signature = crypto::sign(token.as_bytes(), &key.signing, ALGORITHM).expect("HMAC takes any key");
        token.push('.');
        token.push_str(&signature);
        Secret::new(token)
    }

    /// Checks header and signature and answers the claims, whose times and audience are still to be judged.
    ///
    /// # Errors
    /// [`TokenFault`]
    pub fn verify(&self, token: &str) -> Result<Claims, TokenFault> {
        if token.len() > MAX_TOKEN {
            return Err(TokenFault::Shape);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenFault::Shape)?;
        let (header, payload) = message.split_once('.').ok_or(TokenFault::Shape)?;
        let key = self.key_for(header)?;
        let genuine = crypto::verify(signature, message.as_bytes(), &key.verifying, ALGORITHM);
        if !genuine.map_err(|_| TokenFault::Shape)? {
            return Err(TokenFault::Signature);
        }
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenFault::Shape)?;
        serde_json::from_slice(&payload).map_err(|_| TokenFault::Claims)
    }

    /// A header that we write ourselves is known by its bytes; any other spelling is read.
    fn key_for(&self, header: &str) -> Result<&Key, TokenFault> {
        if let Some(key) = self.keys.iter().find(|key| key.header == header) {
            return Ok(key);
        }
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenFault::Shape)?;
        let read: Header = serde_json::from_slice(&decoded).map_err(|_| TokenFault::Header)?;
        if read.alg != "HS256" || read.typ != TOKEN_TYP {
            return Err(TokenFault::Header);
        }
        self.keys.iter().find(|key| key.kid == read.kid).ok_or(TokenFault::UnknownKey)
    }
}

impl Key {
    fn new(kid: &str, secret: &Secret) -> Self {
        let header = serde_json::json!({ "alg": "HS256", "kid": kid, "typ": TOKEN_TYP }).to_string();
        let bytes = secret.expose().as_bytes();
        Self {
            header: BASE64_URL_SAFE_NO_PAD.encode(header),
            kid: kid.to_owned(),
            signing: EncodingKey::from_secret(bytes),
            verifying: DecodingKey::from_secret(bytes),
        }
    }
}

/// The name of the key that `JWT_SECRET` gives.
pub const DEFAULT_KID: &str = "k1";

const ALGORITHM: Algorithm = Algorithm::HS256;

/// Longer texts are refused unread; our own tokens have a few hundred bytes.
const MAX_TOKEN: usize = 2048;

#[cfg(test)]
mod tests;
