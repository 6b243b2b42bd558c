use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;

use super::key_set::ALGORITHM;
use super::*;
use crate::wire::DeviceId;

fn claims() -> Claims {
    Claims {
        iss: "valetkey".into(),
        aud: "valetkey".into(),
        sub: DeviceId::parse("device-0001").unwrap(),
        iat: 1_800_000_000,
        nbf: 1_800_000_000,
        exp: 1_800_086_400,
        jti: "j".into(),
        org: None,
        user: None,
        models: vec![],
    }
}

fn ring() -> KeyRing {
    KeyRing::new(&KeyList::of_one(Secret::new("0123456789abcdef0123456789abcdef")))
}

fn claims_of(ring: &KeyRing, token: &str) -> Result<Claims, TokenFault> {
    ring.verify(token).map(|verified| verified.claims)
}

/// A token with any header and payload, correctly signed.
fn forge(header: &str, payload: &str) -> String {
    let mut token = format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(payload));
    let signature = crypto::sign(token.as_bytes(), &ring().current.load().signer().signing, ALGORITHM).unwrap();
    token.push('.');
    token.push_str(&signature);
    token
}

fn payload() -> String {
    serde_json::to_string(&claims()).unwrap()
}

#[test]
fn a_token_of_the_ring_verifies() {
    let ring = ring();
    assert_eq!(claims_of(&ring, ring.sign(&claims()).expose()), Ok(claims()));
}

#[test]
fn the_order_of_header_fields_does_not_matter() {
    let token = forge(r#"{"typ":"at+jwt","alg":"HS256","kid":"k1"}"#, &payload());
    assert_eq!(claims_of(&ring(), &token), Ok(claims()));
}

#[test]
fn a01_a02_another_algorithm_is_refused() {
    for alg in ["none", "None", "NONE", "HS384", "RS256", "ES256", "hs256"] {
        let token = forge(&format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"k1"}}"#), &payload());
        assert_eq!(claims_of(&ring(), &token), Err(TokenFault::Header), "{alg}");
    }
    for header in [
        r#"{"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":["HS256"],"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"HS256","alg":"none","typ":"at+jwt","kid":"k1"}"#,
    ] {
        assert_eq!(claims_of(&ring(), &forge(header, &payload())), Err(TokenFault::Header), "{header}");
    }
    let unsigned = ring().sign(&claims());
    let (message, _) = unsigned.expose().rsplit_once('.').unwrap();
    assert_eq!(claims_of(&ring(), &format!("{message}.")), Err(TokenFault::Signature));
}

#[test]
fn a03_only_a_kid_of_the_ring_is_known() {
    for kid in ["", "k2", "../k1", "http://a.example", "' or 1=1", &"k".repeat(300)] {
        let token = forge(&serde_json::json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}).to_string(), &payload());
        assert_eq!(claims_of(&ring(), &token), Err(TokenFault::UnknownKey), "{kid}");
    }
    let token = forge(r#"{"alg":"HS256","typ":"at+jwt","kid":["k1"]}"#, &payload());
    assert_eq!(claims_of(&ring(), &token), Err(TokenFault::Header));
}

#[test]
fn a04_header_fields_that_point_elsewhere_are_refused() {
    for field in ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"] {
        let token = forge(&format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"k1","{field}":"x"}}"#), &payload());
        assert_eq!(claims_of(&ring(), &token), Err(TokenFault::Header), "{field}");
    }
}

#[test]
fn a05_times_are_integers_and_come_once() {
    let header = r#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#;
    for exp in ["\"1800086400\"", "1800086400.5", "null", "-1", "1e400", "[]"] {
        let token = forge(header, &payload().replace("\"exp\":1800086400", &format!("\"exp\":{exp}")));
        assert_eq!(claims_of(&ring(), &token), Err(TokenFault::Claims), "{exp}");
    }
    let twice = payload().replace("\"exp\":", "\"exp\":1,\"exp\":");
    assert_eq!(claims_of(&ring(), &forge(header, &twice)), Err(TokenFault::Claims));
}

#[test]
fn a08_a_token_of_another_kind_is_refused() {
    let token = forge(r#"{"alg":"HS256","typ":"refresh+jwt","kid":"k1"}"#, &payload());
    assert_eq!(claims_of(&ring(), &token), Err(TokenFault::Header));
}

#[test]
fn a09_other_shapes_are_refused() {
    let token = ring().sign(&claims());
    let token = token.expose();
    for shape in [
        String::new(),
        "a.b".into(),
        "a.b.c.d".into(),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}."),
        "a".repeat(1 << 20),
        serde_json::json!({ "protected": "e30", "payload": "e30", "signature": "" }).to_string(),
    ] {
        assert!(claims_of(&ring(), &shape).is_err(), "{}", &shape[..shape.len().min(40)]);
    }
}

#[test]
fn every_altered_byte_is_noticed() {
    let token = ring().sign(&claims());
    let token = token.expose();
    for at in 0..token.len() {
        let mut altered = token.as_bytes().to_vec();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        assert!(claims_of(&ring(), std::str::from_utf8(&altered).unwrap()).is_err(), "byte {at}");
    }
}
