//! The signing keys at one moment. A set never changes; a reload makes a new one.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::Deserialize;

use super::{KeyList, KeyTally, NamedSecret, TokenError, Verified};
use crate::secret::Secret;
use crate::service::base::strict_object::StrictObject;
use crate::wire::{Claims, TOKEN_TYP};

/// One or more keys: the first signs, all verify.
pub(super) struct KeySet(Vec<Arc<Key>>);

pub(super) struct Key {
    /// The encoded header, the only one that the service writes for this key.
    header: String,
    secret: Secret,
    pub(super) signing: EncodingKey,
    verifying: DecodingKey,
    tally: Arc<KeyTally>,
}

/// The header of a wrapper token. Every other field of a JOSE header (`jku`, `jwk`, `x5u`, `crit`, `zip` …) is refused
/// by its absence here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl KeySet {
    /// Takes the keys of `list`. A key that `before` has too stays the same object, with its counts and its cached
    /// tokens.
    pub(super) fn new(list: &KeyList, before: Option<&Self>) -> Self {
        let known = |key: &NamedSecret| before?.0.iter().find(|known| known.is(key)).cloned();
        Self(list.keys().iter().map(|key| known(key).unwrap_or_else(|| Arc::new(Key::new(key)))).collect())
    }

    /// The keys without their secrets, the signing one first.
    pub(super) fn tallies(&self) -> impl Iterator<Item = &Arc<KeyTally>> {
        self.0.iter().map(|key| &key.tally)
    }

    pub(super) fn signer(&self) -> &Key {
        self.0.first().expect("a list of keys has one")
    }

    pub(super) fn sign(&self, claims: &Claims) -> Secret {
        let key = self.signer();
        let payload = serde_json::to_vec(claims).expect("claims are plain JSON");
        let mut token = format!("{}.{}", key.header, BASE64_URL_SAFE_NO_PAD.encode(payload));
        let signature = crypto::sign(token.as_bytes(), &key.signing, ALGORITHM).expect("HMAC takes any key");
        token.push('.');
        token.push_str(&signature);
        key.tally.count_signed();
        Secret::new(token)
    }

    pub(super) fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Shape);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Shape)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Shape)?;
        let key = self.key_for(header)?;
        let genuine = crypto::verify(signature, message.as_bytes(), &key.verifying, ALGORITHM);
        if !genuine.map_err(|_| TokenError::Shape)? {
            return Err(TokenError::Signature);
        }
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Shape)?;
        let StrictObject(claims) = serde_json::from_slice(&payload).map_err(|_| TokenError::Claims)?;
        Ok(Verified { claims, key: Arc::clone(&key.tally) })
    }

    pub(super) fn is_mac(&self, purpose: &[u8], message: &[u8], mac: &[u8]) -> bool {
        let is_of = |key: &Arc<Key>| verify_slices_are_equal(&key.mac(purpose, message), mac).is_ok();
        self.0.iter().any(is_of)
    }

    /// A header that the service writes itself is known by its bytes; any other spelling is parsed. The token names its
    /// key, and no other key is tried.
    fn key_for(&self, header: &str) -> Result<&Key, TokenError> {
        if let Some(key) = self.0.iter().find(|key| key.header == header) {
            return Ok(key);
        }
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Shape)?;
        let StrictObject::<Header>(read) = serde_json::from_slice(&decoded).map_err(|_| TokenError::Header)?;
        if read.alg != "HS256" || read.typ != TOKEN_TYP {
            return Err(TokenError::Header);
        }
        let named = self.0.iter().find(|key| key.tally.kid.as_str() == read.kid);
        named.map(Arc::as_ref).ok_or(TokenError::UnknownKey)
    }
}

impl Key {
    fn new(named: &NamedSecret) -> Self {
        let header = serde_json::json!({ "alg": "HS256", "kid": named.kid.as_str(), "typ": TOKEN_TYP }).to_string();
        let bytes = named.secret.expose().as_bytes();
        Self {
            header: BASE64_URL_SAFE_NO_PAD.encode(header),
            secret: named.secret.clone(),
            signing: EncodingKey::from_secret(bytes),
            verifying: DecodingKey::from_secret(bytes),
            tally: Arc::new(KeyTally::new(named.kid.clone())),
        }
    }

    /// The text under a token's signature begins with a header and never with a purpose and a zero byte, so neither MAC
    /// passes for the other.
    pub(super) fn mac(&self, purpose: &[u8], message: &[u8]) -> [u8; MAC_LENGTH] {
        let mut tag = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose().as_bytes()));
        for part in [purpose, &[0], message] {
            tag.update(part);
        }
        let mut mac = [0; MAC_LENGTH];
        mac.copy_from_slice(&tag.sign().as_ref()[..MAC_LENGTH]);
        mac
    }

    /// The same name with another secret is another key.
    fn is(&self, named: &NamedSecret) -> bool {
        self.tally.kid == named.kid && self.secret.matches(named.secret.expose().as_bytes())
    }
}

pub(super) const ALGORITHM: Algorithm = Algorithm::HS256;

/// Bytes of a MAC.
pub(crate) const MAC_LENGTH: usize = 16;

/// Longer texts are refused unread; our own tokens have a few hundred bytes.
const MAX_TOKEN: usize = 2048;
