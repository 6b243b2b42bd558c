//! A device's proof that it has its key: a `DPoP` proof (RFC 9449 §4.2), signed with ES256, the one algorithm that
//! every hardware key store has. The client makes proofs, the service checks them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The `typ` in a proof's header (RFC 9449 §4.2).
pub const PROOF_TYP: &str = "dpop+jwt";

/// The `alg` in a proof's header: ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
pub const PROOF_ALG: &str = "ES256";

/// The header of a proof; further members are refused.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofHeader {
    /// The type, always [`PROOF_TYP`].
    pub typ: String,
    /// The algorithm, always [`PROOF_ALG`].
    pub alg: String,
    /// The device's public key.
    pub jwk: PublicJwk,
}

/// A public key on P-256 (RFC 7517, RFC 7518 §6.2). A private key has one more member and is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicJwk {
    /// The key type, always `EC`.
    pub kty: String,
    /// The curve, always `P-256`.
    pub crv: String,
    /// The x coordinate: 32 bytes in base64url without padding.
    pub x: String,
    /// The y coordinate: 32 bytes in base64url without padding.
    pub y: String,
}

/// The claims of a proof (RFC 9449 §4.2).
#[derive(Debug, Serialize, Deserialize)]
pub struct ProofClaims {
    /// The proof's own random id.
    pub jti: String,
    /// The method of the request that carries the proof.
    pub htm: String,
    /// The URL of the request, without query and fragment.
    pub htu: String,
    /// Unix seconds by the device's clock, which may be wrong: the service judges the proof's age by the nonce.
    pub iat: u64,
    /// The latest nonce from the service (RFC 9449 §8); a first proof has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// SHA-256, in base64url, of the token that is sent with the proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ath: Option<String>,
}

impl PublicJwk {
    /// The key with the big-endian coordinates `x` and `y`.
    #[must_use]
    pub fn p256(x: &[u8], y: &[u8]) -> Self {
        let [x, y] = [x, y].map(|coordinate| BASE64_URL_SAFE_NO_PAD.encode(coordinate));
        Self { kty: "EC".into(), crv: "P-256".into(), x, y }
    }

    /// The uncompressed point (SEC 1 §2.3.3); `None` if the members do not describe a key on P-256. The verifier checks
    /// that the point is on the curve.
    #[must_use]
    pub fn point(&self) -> Option<[u8; 65]> {
        let coordinate = |text: &str| <[u8; 32]>::try_from(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        if self.kty != "EC" || self.crv != "P-256" {
            return None;
        }
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&coordinate(&self.x)?);
        point[33..].copy_from_slice(&coordinate(&self.y)?);
        Some(point)
    }

    /// The key's name: SHA-256, in base64url, of its members in their fixed order (RFC 7638 §3).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let Self { kty, crv, x, y } = self;
        hashed(format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#).as_bytes())
    }
}

/// The hash of a token for [`ProofClaims::ath`].
#[must_use]
pub fn token_hash(token: &str) -> String {
    hashed(token.as_bytes())
}

fn hashed(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and thumbprint of RFC 9449 §4.1 and §6.1.
    #[test]
    fn a_key_has_the_thumbprint_of_the_standards_example() {
        let jwk = PublicJwk {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs".into(),
            y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA".into(),
        };
        assert_eq!(jwk.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        let point = jwk.point().unwrap();
        assert_eq!(PublicJwk::p256(&point[1..33], &point[33..]), jwk);
    }

    /// The token and hash of RFC 9449 §7.
    #[test]
    fn a_token_has_the_hash_of_the_standards_example() {
        let hash = token_hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        assert_eq!(hash, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    }

    #[test]
    fn a12_a_private_key_and_a_key_of_another_kind_are_refused() {
        let good = serde_json::to_value(PublicJwk::p256(&[1; 32], &[2; 32])).unwrap();
        assert!(serde_json::from_value::<PublicJwk>(good.clone()).unwrap().point().is_some());
        let mut private = good.clone();
        private["d"] = "AAAA".into();
        assert!(serde_json::from_value::<PublicJwk>(private).is_err());
        let short = "A".repeat(42);
        for (member, value) in [("kty", "RSA"), ("crv", "P-384"), ("x", &*short), ("y", "="), ("x", "")] {
            let mut other = good.clone();
            other[member] = value.into();
            assert!(serde_json::from_value::<PublicJwk>(other).unwrap().point().is_none(), "{member} {value}");
        }
    }
}
