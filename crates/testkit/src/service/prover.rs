//! A device with a key, and its proofs, good or forged. They are made with another library than the one under test.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use crate::http::{Answer, post};
use crate::service::TestService;
use crate::service::forge::encoded;

/// A device with one key.
pub struct Prover {
    key: EncodingKey,
    pub jwk: Value,
}

impl Prover {
    pub fn generate() -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..]) });
        Self { key: EncodingKey::from_ec_der(pkcs8.as_ref()), jwk }
    }

    /// The header of a good proof.
    pub fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk })
    }

    /// Signs any header and claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = crypto::sign(message.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    }

    /// A good proof for `path`, with the service's nonce.
    pub fn proof(&self, service: &TestService, path: &str, nonce: &str, token: Option<&str>) -> String {
        self.sign(&self.header(), &claims(service, path, nonce, token))
    }

    /// `POST /bootstrap` with a good proof.
    pub async fn bootstrap(&self, service: &TestService, device: &str) -> Answer {
        let nonce = self.nonce(service).await;
        let proof = self.proof(service, "/bootstrap", &nonce, None);
        post(&service.at("/bootstrap"), &[("dpop", &proof)], json!({ "device_id": device }).to_string()).await
    }

    /// `POST /refresh` of a token, with its prefix or without, with a good proof.
    pub async fn refresh(&self, service: &TestService, token: &str) -> Answer {
        let nonce = self.nonce(service).await;
        let bare = token.trim_start_matches("sk-ant-proxy-");
        let proof = self.proof(service, "/refresh", &nonce, Some(bare));
        refresh(service, token, &[("dpop", &proof)]).await
    }

    /// A nonce of the service.
    pub async fn nonce(&self, service: &TestService) -> String {
        let mut claims = claims(service, "/bootstrap", "", None);
        claims.as_object_mut().unwrap().remove("nonce");
        let proof = self.sign(&self.header(), &claims);
        let answer = post(&service.at("/bootstrap"), &[("dpop", &proof)], "not read").await;
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "proof_nonce"), "{}", answer.text());
        answer.header("dpop-nonce").unwrap().to_owned()
    }
}

/// The claims of a good proof.
pub fn claims(service: &TestService, path: &str, nonce: &str, token: Option<&str>) -> Value {
    let mut claims = json!({
        "jti": "a proof", "htm": "POST", "htu": service.at(path), "iat": service.unix_seconds(), "nonce": nonce
    });
    if let Some(token) = token {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        claims["ath"] = encoded(hash).into();
    }
    claims
}

/// `POST /refresh` of a token.
pub async fn refresh(service: &TestService, token: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend(headers);
    post(&service.at("/refresh"), &all, "").await
}
