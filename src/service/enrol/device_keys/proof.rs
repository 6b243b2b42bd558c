//! Reads and verifies one proof (RFC 9449 §4.3).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::service::base::strict_object::ObjectOf;
use crate::wire::names::{BOOTSTRAP_PATH, REFRESH_PATH};
use crate::wire::{PROOF_ALG, PROOF_TYP, ProofClaims, ProofHeader, PublicJwk, token_hash};

/// A proof that has been read.
pub(super) struct Proof {
    jwk: PublicJwk,
    claims: ProofClaims,
    message: String,
    signature: Vec<u8>,
}

/// What a proof must be for.
pub(crate) enum Target<'a> {
    /// A first token.
    Bootstrap,
    /// A newer token for this bare one.
    Refresh(&'a str),
}

/// Why a text proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProofFault {
    /// Two headers.
    #[error("comes more than once")]
    Repeated,
    /// Not three base64url parts of sensible length.
    #[error("is not a JWT")]
    Shape,
    /// Another type, algorithm or field in the header.
    #[error("must have a header of nothing but `typ` \"dpop+jwt\", `alg` \"ES256\" and a public `jwk`")]
    Header,
    /// No public key on P-256.
    #[error("has no public key on the curve P-256")]
    Key,
    /// Altered, or signed with another key.
    #[error("has a wrong signature")]
    Signature,
    /// The payload is not what a proof says.
    #[error("must say `jti`, `htm`, `htu` and `iat`")]
    Claims,
    /// For another method.
    #[error("is for another method than POST")]
    Method,
    /// For another address.
    #[error("is for another address than that of the request")]
    Address,
    /// For another token, or for none.
    #[error("is not for the token beside it")]
    Token,
}

impl ProofFault {
    pub(super) const ALL: [Self; 9] = [
        Self::Repeated,
        Self::Shape,
        Self::Header,
        Self::Key,
        Self::Signature,
        Self::Claims,
        Self::Method,
        Self::Address,
        Self::Token,
    ];

    /// As metrics name it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::Shape => "shape",
            Self::Header => "header",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Method => "method",
            Self::Address => "address",
            Self::Token => "token",
        }
    }
}

impl Proof {
    /// Reads what is written, whoever signed it.
    ///
    /// # Errors
    /// [`ProofFault`]
    pub(super) fn read(text: &[u8]) -> Result<Self, ProofFault> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_PROOF).ok_or(ProofFault::Shape)?;
        let (message, signature) = text.rsplit_once('.').ok_or(ProofFault::Shape)?;
        let (header, claims) = message.split_once('.').ok_or(ProofFault::Shape)?;
        let ProofHeader { typ, alg, jwk } = part(header, ProofFault::Header)?;
        if typ != PROOF_TYP || alg != PROOF_ALG {
            return Err(ProofFault::Header);
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| ProofFault::Shape)?;
        Ok(Self { jwk, claims: part(claims, ProofFault::Claims)?, message: message.to_owned(), signature })
    }

    /// The nonce in it.
    pub(super) fn nonce(&self) -> Option<&str> {
        self.claims.nonce.as_deref()
    }

    /// Whether it is signed and is for `target`; then the thumbprint of the key.
    ///
    /// # Errors
    /// [`ProofFault`]
    pub(super) fn verify(&self, target: &Target<'_>) -> Result<String, ProofFault> {
        let point = self.jwk.point().ok_or(ProofFault::Key)?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| ProofFault::Key)?;
        key.verify_sig(self.message.as_bytes(), &self.signature).map_err(|_| ProofFault::Signature)?;
        let claims = &self.claims;
        if claims.jti.is_empty() {
            return Err(ProofFault::Claims);
        }
        if claims.htm != "POST" {
            return Err(ProofFault::Method);
        }
        let (path, token) = match target {
            Target::Bootstrap => (BOOTSTRAP_PATH, None),
            Target::Refresh(token) => (REFRESH_PATH, Some(token_hash(token))),
        };
        if !is_address(&claims.htu, path) {
            return Err(ProofFault::Address);
        }
        if claims.ath != token {
            return Err(ProofFault::Token);
        }
        Ok(self.jwk.thumbprint())
    }
}

/// Only the path is compared. What stands in front of the service may change the host, and may take a beginning off the
/// path. So a service that an app is led to can pass its proofs on to another one; the nonce only says that they are new.
fn is_address(htu: &str, path: &str) -> bool {
    Url::parse(htu).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.path().ends_with(path))
}

fn part<T: DeserializeOwned>(text: &str, fault: ProofFault) -> Result<T, ProofFault>
where
    ObjectOf<T>: for<'de> Deserialize<'de>,
{
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| ProofFault::Shape)?;
    let ObjectOf(read) = serde_json::from_slice(&bytes).map_err(|_| fault)?;
    Ok(read)
}

/// Our own have some six hundred bytes.
const MAX_PROOF: usize = 4096;
