//! Reads and verifies one proof of a device key (RFC 9449 §4.3).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::service::base::enum_names::enum_names;
use crate::service::base::strict_object::StrictObject;
use crate::wire::names::{BOOTSTRAP_PATH, REFRESH_PATH};
use crate::wire::{PROOF_ALG, PROOF_TYP, ProofClaims, ProofHeader, PublicJwk, token_hash};

/// A proof whose signature is not yet verified.
pub(crate) struct Proof {
    jwk: PublicJwk,
    claims: ProofClaims,
    message: String,
    signature: Vec<u8>,
}

/// The request that a proof must be for.
pub(crate) enum ProofTarget<'a> {
    Bootstrap,
    /// A renewal of this bare token.
    Refresh(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProofError {
    #[error("comes more than once")]
    Repeated,
    /// Not three base64url parts, or longer than [`MAX_PROOF`].
    #[error("is not a JWT")]
    Shape,
    /// Another type, algorithm or field in the header.
    #[error("must have a header of nothing but `typ` \"dpop+jwt\", `alg` \"ES256\" and a public `jwk`")]
    Header,
    #[error("has no public key on the curve P-256")]
    Key,
    /// Altered, or signed with another key.
    #[error("has a wrong signature")]
    Signature,
    #[error("must say `jti`, `htm`, `htu` and `iat`")]
    Claims,
    #[error("is for another method than POST")]
    Method,
    #[error("is for another address than that of the request")]
    Address,
    /// For another token, or for none.
    #[error("is not for the token beside it")]
    Token,
}

enum_names!(ProofError {
    Repeated = "repeated",
    Shape = "shape",
    Header = "header",
    Key = "key",
    Signature = "signature",
    Claims = "claims",
    Method = "method",
    Address = "address",
    Token = "token",
});

impl Proof {
    /// Parses the proof without verifying its signature.
    pub(crate) fn read(text: &[u8]) -> Result<Self, ProofError> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_PROOF).ok_or(ProofError::Shape)?;
        let (message, signature) = text.rsplit_once('.').ok_or(ProofError::Shape)?;
        let (header, claims) = message.split_once('.').ok_or(ProofError::Shape)?;
        let ProofHeader { typ, alg, jwk } = part(header, ProofError::Header)?;
        if typ != PROOF_TYP || alg != PROOF_ALG {
            return Err(ProofError::Header);
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| ProofError::Shape)?;
        Ok(Self { jwk, claims: part(claims, ProofError::Claims)?, message: message.to_owned(), signature })
    }

    pub(super) fn nonce(&self) -> Option<&str> {
        self.claims.nonce.as_deref()
    }

    /// Verifies the signature and that the proof is for `target`; returns the thumbprint of the key.
    pub(crate) fn verify(&self, target: &ProofTarget<'_>) -> Result<String, ProofError> {
        let point = self.jwk.point().ok_or(ProofError::Key)?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| ProofError::Key)?;
        key.verify_sig(self.message.as_bytes(), &self.signature).map_err(|_| ProofError::Signature)?;
        let claims = &self.claims;
        if claims.jti.is_empty() {
            return Err(ProofError::Claims);
        }
        if claims.htm != "POST" {
            return Err(ProofError::Method);
        }
        let (path, token) = match target {
            ProofTarget::Bootstrap => (BOOTSTRAP_PATH, None),
            ProofTarget::Refresh(token) => (REFRESH_PATH, Some(token_hash(token))),
        };
        if !is_address(&claims.htu, path) {
            return Err(ProofError::Address);
        }
        if claims.ath != token {
            return Err(ProofError::Token);
        }
        Ok(self.jwk.thumbprint())
    }
}

/// Compares only the end of the path: a proxy in front of the service may change the host and strip a prefix of the
/// path. So a malicious service that an app is pointed at can pass its proofs on to another service; the nonce only
/// keeps them fresh.
fn is_address(htu: &str, path: &str) -> bool {
    Url::parse(htu).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.path().ends_with(path))
}

fn part<T: DeserializeOwned>(text: &str, fault: ProofError) -> Result<T, ProofError>
where
    StrictObject<T>: for<'de> Deserialize<'de>,
{
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| ProofError::Shape)?;
    let StrictObject(read) = serde_json::from_slice(&bytes).map_err(|_| fault)?;
    Ok(read)
}

/// Proofs of valetkey's client have about six hundred bytes.
const MAX_PROOF: usize = 4096;
