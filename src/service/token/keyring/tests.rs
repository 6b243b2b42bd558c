use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;

use super::key_set::ALGORITHM;
use super::*;
use crate::wire::DeviceId;

impl KeyFigures {
    /// `None` if no key of that name is in use.
    pub(crate) fn of(&self, kid: &str) -> Option<&KidFigures> {
        self.kids.iter().find(|figures| figures.kid.as_str() == kid)
    }
}

fn claims() -> Claims {
    Claims {
        iss: "valetkey".into(),
        aud: "valetkey".into(),
        sub: DeviceId::parse("device-0001").unwrap(),
        iat: 1_800_000_000,
        nbf: 1_800_000_000,
        exp: 1_800_086_400,
        jti: "j".into(),
        app_version: None,
        org: None,
        user: None,
        models: vec![],
        cnf: None,
    }
}

fn ring() -> KeyRing {
    KeyRing::new(&KeyList::of_one(Secret::new("0123456789abcdef0123456789abcdef")))
}

fn claims_of(ring: &KeyRing, token: &str) -> Result<Claims, TokenError> {
    ring.verify(token).map(|verified| verified.claims)
}

/// Keys from `kid:letter`, where the letter stands for a secret.
fn list(keys: &[&str]) -> KeyList {
    let secrets = [("A", "Zq8vX2mB7kLw4nRt9yHc3jFs6dGp1aUe"), ("B", "b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A")];
    let mut text = keys.join("\n");
    for (letter, secret) in secrets {
        text = text.replace(&format!(":{letter}"), &format!(":{secret}"));
    }
    KeyList::from_file(&text).unwrap()
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
        assert_eq!(claims_of(&ring(), &token), Err(TokenError::Header), "{alg}");
    }
    for header in [
        r#"{"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":["HS256"],"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"HS256","alg":"none","typ":"at+jwt","kid":"k1"}"#,
    ] {
        assert_eq!(claims_of(&ring(), &forge(header, &payload())), Err(TokenError::Header), "{header}");
    }
    let unsigned = ring().sign(&claims());
    let (message, _) = unsigned.expose().rsplit_once('.').unwrap();
    assert_eq!(claims_of(&ring(), &format!("{message}.")), Err(TokenError::Signature));
}

#[test]
fn a03_only_a_kid_of_the_ring_is_known() {
    let ring = ring();
    let (long, longer) = ("k".repeat(33), "k".repeat(1000));
    let strange = ["", "k2", "K1", "k1 ", "../k1", "/dev/null", "http://a.example", "' or 1=1", "k1\0", &long, &longer];
    for kid in strange {
        let token = forge(&serde_json::json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}).to_string(), &payload());
        assert_eq!(claims_of(&ring, &token), Err(TokenError::UnknownKey), "{kid}");
    }
    assert_eq!(ring.figures().unknown, strange.len() as u64);
    for kid in ["[\"k1\"]", "null", "1", "{}", "\"k1\",\"kid\":\"k1\""] {
        let token = forge(&format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":{kid}}}"#), &payload());
        assert_eq!(claims_of(&ring, &token), Err(TokenError::Header), "{kid}");
    }
    let without = forge(r#"{"alg":"HS256","typ":"at+jwt"}"#, &payload());
    assert_eq!(claims_of(&ring, &without), Err(TokenError::Header));
    let huge = serde_json::json!({"alg": "HS256", "typ": "at+jwt", "kid": "k".repeat(10_000)}).to_string();
    assert_eq!(claims_of(&ring, &forge(&huge, &payload())), Err(TokenError::Shape));
    // Whatever was tried, the labels are those of the keys in use.
    assert_eq!(ring.figures().kids.len(), 1);
}

#[test]
fn a03_a_retired_kid_is_unknown_at_once_and_a_kept_one_stays() {
    let ring = KeyRing::new(&list(&["k1:A"]));
    let old = ring.sign(&claims());
    ring.replace(&list(&["k1:A", "k2:B"]));
    ring.replace(&list(&["k2:B", "k1:A"]));
    let new = ring.sign(&claims());
    let key = ring.verify(old.expose()).unwrap().key;
    assert!(ring.holds(&key));
    ring.replace(&list(&["k2:B"]));
    assert!(!ring.holds(&key));
    assert_eq!(claims_of(&ring, old.expose()), Err(TokenError::UnknownKey));
    assert_eq!(claims_of(&ring, new.expose()), Ok(claims()));
}

#[test]
fn a_name_that_comes_back_with_another_secret_is_another_key() {
    let ring = KeyRing::new(&list(&["k1:A"]));
    let token = ring.sign(&claims());
    let key = ring.verify(token.expose()).unwrap().key;
    ring.replace(&list(&["k1:B"]));
    assert!(!ring.holds(&key));
    assert_eq!(claims_of(&ring, token.expose()), Err(TokenError::Signature));
    ring.replace(&list(&["k1:A"]));
    assert!(!ring.holds(&key), "what was remembered is verified again");
    assert_eq!(claims_of(&ring, token.expose()), Ok(claims()));
}

#[test]
fn a_key_never_verifies_a_token_that_names_another() {
    let ring = KeyRing::new(&list(&["k1:A", "k2:B"]));
    let stranger = KeyRing::new(&list(&["k2:A"]));
    assert_eq!(claims_of(&ring, stranger.sign(&claims()).expose()), Err(TokenError::Signature));
}

#[test]
fn counts_stay_with_a_key_through_reloads() {
    let ring = KeyRing::new(&list(&["k1:A"]));
    ring.verify(ring.sign(&claims()).expose()).unwrap().key.count_admitted();
    ring.replace(&list(&["k2:B", "k1:A"]));
    let _ = ring.sign(&claims());
    let figures = ring.figures();
    let told = |kid| figures.of(kid).map(|key| (key.signs, key.signed, key.admitted)).unwrap();
    assert_eq!((told("k2"), told("k1"), figures.reloaded), ((true, 1, 0), (false, 1, 1), 1));
    assert!(figures.of("k3").is_none());
}

#[test]
fn f28_keys_are_swapped_under_readers_who_see_whole_sets() {
    let lists = [list(&["k1:A", "k2:B"]), list(&["k2:B", "k1:A"])];
    let ring = KeyRing::new(&lists[0]);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| (0..500).for_each(|_| drop(ring.verify(ring.sign(&claims()).expose()).expect("known"))))
            })
            .collect();
        while !readers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            for list in &lists {
                ring.replace(list);
            }
        }
    });
    let figures = ring.figures();
    assert_eq!(figures.kids.iter().map(|key| key.signed).sum::<u64>(), 1500);
}

#[test]
fn a04_header_fields_that_point_elsewhere_are_refused() {
    for field in ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"] {
        let token = forge(&format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"k1","{field}":"x"}}"#), &payload());
        assert_eq!(claims_of(&ring(), &token), Err(TokenError::Header), "{field}");
    }
}

#[test]
fn a05_times_are_integers_and_come_once() {
    let header = r#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#;
    for exp in ["\"1800086400\"", "1800086400.5", "null", "-1", "1e400", "[]"] {
        let token = forge(header, &payload().replace("\"exp\":1800086400", &format!("\"exp\":{exp}")));
        assert_eq!(claims_of(&ring(), &token), Err(TokenError::Claims), "{exp}");
    }
    let twice = payload().replace("\"exp\":", "\"exp\":1,\"exp\":");
    assert_eq!(claims_of(&ring(), &forge(header, &twice)), Err(TokenError::Claims));
}

#[test]
fn a08_a_token_of_another_kind_is_refused() {
    let token = forge(r#"{"alg":"HS256","typ":"refresh+jwt","kid":"k1"}"#, &payload());
    assert_eq!(claims_of(&ring(), &token), Err(TokenError::Header));
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
