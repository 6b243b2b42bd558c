//! Forged tokens: any header, any claims, any secret.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::service::TestService;

/// The signing secret of every test service.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The header of a good token.
pub const HEADER: &str = r#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#;

/// The claims of a good token, by the service's clock.
pub fn claims(service: &TestService) -> Value {
    let now = service.unix_seconds();
    json!({
        "iss": "valetkey", "aud": "valetkey", "sub": "device-0001",
        "iat": now, "nbf": now, "exp": now + 3600, "jti": "forged"
    })
}

/// A token with this header and these claims, signed as the service would, with its prefix.
pub fn token(header: &str, claims: &str) -> String {
    signed(hmac::HMAC_SHA256, SECRET, header, claims)
}

/// A token with this header and these claims, signed by any algorithm and secret, with its prefix.
pub fn signed(algorithm: hmac::Algorithm, secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes());
    format!("sk-ant-proxy-{message}.{}", encoded(tag))
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
