//! Wrapper tokens: whole, and only their header or claims under a good signature.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::secret::Secret;
use crate::service::token::keyring::{KeyList, KeyRing};
use crate::service::token::verify::{Auth, TokenPolicy};
use crate::wire::Claims;
use crate::wire::names::TOKEN_PREFIX;

/// Reads the bytes as a token, as a token's header and as its claims; true if one of the tokens is genuine.
#[must_use]
pub fn read(bytes: &[u8]) -> bool {
    [std::str::from_utf8(bytes).is_ok_and(token), header(bytes), claims(bytes)].contains(&true)
}

/// A genuine token has the one signature of its key, in the one spelling of it.
fn token(text: &str) -> bool {
    if inspected(text).is_none() {
        return false;
    }
    let bare = text.strip_prefix(TOKEN_PREFIX).unwrap_or(text);
    let (message, signature) = bare.rsplit_once('.').expect("a token has parts");
    assert_eq!(signature, signature_of(message));
    true
}

/// A genuine token says what the service writes into headers, and nothing else.
fn header(bytes: &[u8]) -> bool {
    if inspected(&signed(bytes, CLAIMS.as_bytes())).is_none() {
        return false;
    }
    let header: Value = serde_json::from_slice(bytes).expect("an accepted header is JSON");
    assert_eq!(header, json!({ "alg": "HS256", "kid": "k1", "typ": "at+jwt" }));
    true
}

/// Accepted claims are those that a parser reads, and are the same after they were written again.
fn claims(bytes: &[u8]) -> bool {
    let Some(claims) = inspected(&signed(HEADER.as_bytes(), bytes)) else { return false };
    let written = serde_json::to_vec(&claims).expect("claims are plain JSON");
    assert_eq!(serde_json::from_slice::<Claims>(&written).ok().as_ref(), Some(&claims));
    // The parser also checks what claims of other names hold.
    if let Ok(parsed) = serde_json::from_slice::<Value>(bytes) {
        let times = ["iat", "nbf", "exp"].map(|name| parsed[name].as_u64());
        assert_eq!(times, [claims.iat, claims.nbf, claims.exp].map(Some));
        assert_eq!(parsed["sub"], claims.sub.as_str());
    }
    true
}

/// The claims of a genuine token. One that is admitted is for this service and for now.
fn inspected(token: &str) -> Option<Claims> {
    let (claims, verdict) = AUTH.inspect(token);
    let Some(claims) = claims else {
        assert!(verdict.is_err(), "a forged token is admitted");
        return None;
    };
    if verdict.is_ok() {
        assert!(claims.iss == NAME && claims.aud == NAME, "{claims:?}");
        assert!(claims.iat.max(claims.nbf) <= NOW + SKEW && NOW < claims.exp, "{claims:?}");
        assert!(NOW < claims.iat + LIFETIME && claims.exp < YEAR_10000, "{claims:?}");
    }
    Some(claims)
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(claims));
    let signature = signature_of(&message);
    format!("{message}.{signature}")
}

/// The signature by RFC 7518 §3.2, made without the library that the service uses for it.
fn signature_of(message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()))
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }
}

static AUTH: LazyLock<Auth> = LazyLock::new(|| {
    let keys = KeyRing::new(&KeyList::of_one(Secret::new(SECRET)));
    let lifetime = Duration::from_secs(LIFETIME);
    let policy = TokenPolicy { issuer: NAME.to_owned(), audience: NAME.to_owned(), lifetime };
    Auth::new(Arc::new(keys), Arc::new(StoppedClock), policy)
});

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NAME: &str = "valetkey";
const NOW: u64 = 1_800_000_000;
const LIFETIME: u64 = 3600;
const SKEW: u64 = 30;
const YEAR_10000: u64 = 253_402_300_800;

const HEADER: &str = r#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#;

const CLAIMS: &str = r#"{"iss":"valetkey","aud":"valetkey","sub":"device-0001","iat":1800000000,"nbf":1800000000,"exp":1800003600,"jti":"j"}"#;
