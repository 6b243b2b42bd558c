//! Proofs of a device's key: whole, and only their header or claims under a good signature.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::service::enrol::device_keys::ProofTarget;
use crate::service::enrol::device_keys::proof::Proof;
use crate::wire::{PROOF_ALG, PROOF_TYP, PublicJwk};

/// Reads the bytes as a proof, as a proof's header and as its claims; true if one of the proofs is good.
#[must_use]
pub fn read(bytes: &[u8]) -> bool {
    [proof(bytes), header(bytes), claims(bytes)].contains(&true)
}

/// A good proof is for one request, and with any other byte in it there is no good proof.
fn proof(bytes: &[u8]) -> bool {
    let verdicts = [ProofTarget::Bootstrap, ProofTarget::Refresh(TOKEN)].map(|target| is_good(bytes, &target));
    assert_ne!(verdicts, [true, true]);
    if verdicts == [false, false] {
        return false;
    }
    for at in (0..bytes.len()).step_by(bytes.len() / ALTERED + 1) {
        let mut altered = bytes.to_vec();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        for target in [ProofTarget::Bootstrap, ProofTarget::Refresh(TOKEN)] {
            assert!(!is_good(&altered, &target), "byte {at} can be altered");
        }
    }
    true
}

fn is_good(bytes: &[u8], target: &ProofTarget<'_>) -> bool {
    Proof::read(bytes).is_ok_and(|proof| proof.verify(target).is_ok())
}

/// The header of a good proof has three members, and names the key that has signed.
fn header(bytes: &[u8]) -> bool {
    let claims = json!({ "jti": "a proof", "htm": "POST", "htu": "https://claude.example/bootstrap", "iat": 1 });
    let Some(thumbprint) = proven(bytes, claims.to_string().as_bytes()) else { return false };
    assert_eq!(thumbprint, jwk().thumbprint());
    let header: Value = serde_json::from_slice(bytes).expect("an accepted header is JSON");
    assert_eq!(header.as_object().map(serde_json::Map::len), Some(3));
    assert!(header["typ"] == PROOF_TYP && header["alg"] == PROOF_ALG, "{header}");
    true
}

/// The claims of a good proof for `/bootstrap` name the method, have an id, and name no token.
fn claims(bytes: &[u8]) -> bool {
    let header = json!({ "typ": PROOF_TYP, "alg": PROOF_ALG, "jwk": jwk() });
    if proven(header.to_string().as_bytes(), bytes).is_none() {
        return false;
    }
    // The parser also checks what claims of other names hold.
    if let Ok(claims) = serde_json::from_slice::<Value>(bytes) {
        assert!(claims["htm"] == "POST" && claims["htu"].is_string() && claims["iat"].is_u64(), "{claims}");
        assert!(claims["jti"].as_str().is_some_and(|id| !id.is_empty()) && claims["ath"].is_null(), "{claims}");
    }
    true
}

/// The thumbprint of the key that a proof for `/bootstrap` with this header and these claims proves.
fn proven(header: &[u8], claims: &[u8]) -> Option<String> {
    let message = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims));
    let signature = KEY.sign(&SystemRandom::new(), message.as_bytes()).expect("a good key signs any message");
    let proof = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
    Proof::read(proof.as_bytes()).ok()?.verify(&ProofTarget::Bootstrap).ok()
}

fn jwk() -> PublicJwk {
    PublicJwk { kty: "EC".to_owned(), crv: "P-256".to_owned(), x: X.to_owned(), y: Y.to_owned() }
}

static KEY: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let point = jwk().point().expect("the standard's key is on P-256");
    let secret = BASE64_URL_SAFE_NO_PAD.decode(SECRET).expect("the standard's key is base64url");
    EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret, &point)
        .expect("the two parts of the standard's key fit")
});

/// The published key of RFC 7515 A.3.
const SECRET: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

const TOKEN: &str = "token";

/// The most places at which a good proof is altered.
const ALTERED: usize = 16;
