//! The device's key: proves to the service that this is the same device as before (RFC 9449). It is made here, kept in
//! the keychain, and never sent.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use crate::random::random;
use crate::wire::{PROOF_ALG, PROOF_TYP, ProofClaims, ProofHeader, PublicJwk, token_hash};

/// A key pair on P-256.
pub struct DeviceKey {
    pair: EcdsaKeyPair,
    jwk: PublicJwk,
    kept: Zeroizing<Vec<u8>>,
}

/// What a proof is bound to.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    /// The URL of the request.
    pub url: &'a Url,
    /// The bare token in the request, if there is one.
    pub token: Option<&'a str>,
    /// The latest nonce from the service, if there is one.
    pub nonce: Option<&'a str>,
    /// The present time in Unix seconds.
    pub now: u64,
}

impl DeviceKey {
    /// Makes a new key.
    ///
    /// # Panics
    /// When the system has no random bytes.
    #[must_use]
    pub fn generate() -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = document.expect("the system's random source works, or nothing here is safe");
        let kept = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(document.as_ref()));
        Self::read(kept.as_bytes()).expect("it was just written")
    }

    /// Reads a key as [`as_kept`](Self::as_kept) writes it; `None` for anything else.
    #[must_use]
    pub fn read(kept: &[u8]) -> Option<Self> {
        let pkcs8 = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(kept).ok()?);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).ok()?;
        let [_, coordinates @ ..] = pair.public_key().as_ref() else { return None };
        let (x, y) = coordinates.split_at_checked(32)?;
        let jwk = PublicJwk::p256(x, y);
        Some(Self { pair, jwk, kept: Zeroizing::new(kept.to_vec()) })
    }

    /// The key for the keychain: PKCS #8 (RFC 5958) in base64url, because some keychains take only text.
    #[must_use]
    pub fn as_kept(&self) -> Zeroizing<Vec<u8>> {
        self.kept.clone()
    }

    /// The key's name, its thumbprint (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.jwk.thumbprint()
    }

    /// A proof for one `POST` (RFC 9449 §4.2).
    ///
    /// # Panics
    /// When the system has no random bytes.
    #[must_use]
    pub fn prove(&self, occasion: Occasion<'_>) -> String {
        let mut address = occasion.url.clone();
        address.set_query(None);
        address.set_fragment(None);
        let header = ProofHeader { typ: PROOF_TYP.into(), alg: PROOF_ALG.into(), jwk: self.jwk.clone() };
        let claims = ProofClaims {
            jti: BASE64_URL_SAFE_NO_PAD.encode(random::<16>()),
            htm: "POST".into(),
            htu: address.into(),
            iat: occasion.now,
            nonce: occasion.nonce.map(str::to_owned),
            ath: occasion.token.map(token_hash),
        };
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes());
        let signature = signature.expect("the system's random source works, or nothing here is safe");
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

fn part(of: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(of).expect("it is plain JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_reads_back_and_differs_from_another_key() {
        let (kept, other) = (DeviceKey::generate().as_kept(), DeviceKey::generate().as_kept());
        assert!(kept.is_ascii());
        let name = |bytes: &[u8]| DeviceKey::read(bytes).unwrap().thumbprint();
        assert_eq!(name(&kept), name(&kept));
        assert_ne!(name(&kept), name(&other));
        assert_eq!(name(&kept).len(), 43);
        for damaged in [&kept[..kept.len() - 1], &kept[1..], b"", b"device key"] {
            assert!(DeviceKey::read(damaged).is_none());
        }
    }

    #[test]
    fn a_proof_names_its_method_and_url_without_the_query() {
        let key = DeviceKey::generate();
        let url = Url::parse("https://claude.example/bootstrap?a=b#c").unwrap();
        let said = |occasion| {
            let proof = key.prove(occasion);
            let claims = BASE64_URL_SAFE_NO_PAD.decode(proof.split('.').nth(1).unwrap()).unwrap();
            serde_json::from_slice::<serde_json::Value>(&claims).unwrap()
        };
        let occasion = Occasion { url: &url, token: None, nonce: None, now: 7 };
        let (first, second) = (said(occasion), said(occasion));
        assert_ne!(first["jti"], second["jti"]);
        assert_eq!((&first["htm"], &first["htu"]), (&"POST".into(), &"https://claude.example/bootstrap".into()));
        assert_eq!(first["iat"], 7);
        assert!(first.get("nonce").is_none() && first.get("ath").is_none());
        let full = said(Occasion { token: Some("a.b.c"), nonce: Some("n"), ..occasion });
        assert_eq!((&full["nonce"], &full["ath"]), (&"n".into(), &token_hash("a.b.c").into()));
    }
}
