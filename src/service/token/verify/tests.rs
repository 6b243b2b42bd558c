use http::{HeaderName, HeaderValue};

use super::*;
use crate::clock::ManualClock;
use crate::secret::Secret;
use crate::service::token::keyring::KeyList;

struct Gate {
    auth: Auth,
    keys: Arc<KeyRing>,
    clock: ManualClock,
    token_cache: TokenCache<Arc<Caller>>,
}

impl Gate {
    fn new() -> Self {
        let keys = Arc::new(KeyRing::new(&KeyList::of_one(Secret::new("0123456789abcdef0123456789abcdef"))));
        let clock = ManualClock::starting_now();
        let policy = TokenPolicy { issuer: "i".into(), audience: "a".into(), lifetime: Duration::from_secs(600) };
        Self {
            auth: Auth::new(Arc::clone(&keys), Arc::new(clock.clone()), policy),
            keys,
            clock,
            token_cache: TokenCache::default(),
        }
    }

    fn claims(&self) -> Claims {
        let now = self.clock.unix_seconds();
        Claims {
            iss: "i".into(),
            aud: "a".into(),
            sub: DeviceId::parse("device-0001").unwrap(),
            iat: now,
            nbf: now,
            exp: now + 600,
            jti: "j".into(),
            app_version: None,
            org: None,
            user: None,
            models: vec![],
            cnf: None,
        }
    }

    fn token(&self, claims: &Claims) -> String {
        format!("sk-ant-proxy-{}", self.keys.sign(claims).expose())
    }

    fn admit(&self, headers: &[(&'static str, &str)]) -> Result<Arc<Caller>, ErrorCode> {
        self.auth.admit(&map(headers), &self.token_cache).map_err(|problem| problem.code)
    }

    fn judge(&self, claims: &Claims) -> Result<(), ErrorCode> {
        self.admit(&[("x-api-key", &self.token(claims))]).map(drop)
    }
}

fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    map
}

#[test]
fn a_token_is_taken_from_either_header_and_from_both_when_equal() {
    let gate = Gate::new();
    let token = gate.token(&gate.claims());
    let bearer = format!("Bearer {token}");
    for headers in [
        vec![("authorization", bearer.as_str())],
        vec![("authorization", &format!("bearer   {token}"))],
        vec![("x-api-key", &token)],
        vec![("authorization", &bearer), ("x-api-key", &token)],
        vec![("authorization", &bearer), ("x-api-key", "sk-ant-api03-own")],
        vec![("authorization", "Bearer own-oauth-token"), ("x-api-key", &token)],
    ] {
        assert_eq!(gate.admit(&headers).unwrap().device().as_str(), "device-0001", "{headers:?}");
    }
}

#[test]
fn a27_ambiguous_credentials_are_refused() {
    let gate = Gate::new();
    let token = gate.token(&gate.claims());
    let other = gate.token(&Claims { jti: "k".into(), ..gate.claims() });
    let bearer = format!("Bearer {token}");
    for headers in [
        vec![],
        vec![("authorization", bearer.as_str()), ("authorization", bearer.as_str())],
        vec![("x-api-key", &token), ("x-api-key", &token)],
        vec![("authorization", &bearer), ("x-api-key", &other)],
        vec![("authorization", &format!("Basic {token}"))],
        vec![("authorization", &format!("Bearer {token}, Bearer {token}"))],
        vec![("authorization", &token)],
        vec![("authorization", "Bearer ")],
        vec![("x-api-key", token.strip_prefix("sk-ant-proxy-").unwrap())],
    ] {
        assert_eq!(gate.admit(&headers).err(), Some(ErrorCode::TokenMissing), "{headers:?}");
    }
    for token in [format!("sk-ant-proxy-{token}"), token.replace("sk-ant-proxy-", "sk-ant-proxy-.")] {
        assert_eq!(gate.admit(&[("x-api-key", &token)]).err(), Some(ErrorCode::TokenInvalid));
    }
}

#[test]
fn a06_a_token_dies_in_its_second_and_not_before() {
    let gate = Gate::new();
    let claims = gate.claims();
    gate.clock.advance(Duration::from_secs(599));
    assert_eq!(gate.judge(&claims), Ok(()));
    gate.clock.advance(Duration::from_secs(1));
    assert_eq!(gate.judge(&claims), Err(ErrorCode::TokenExpired));
}

#[test]
fn a06_a_token_that_claims_too_long_a_life_dies_with_the_others() {
    let gate = Gate::new();
    let claims = Claims { exp: LATEST, ..gate.claims() };
    assert_eq!(gate.judge(&claims), Ok(()));
    gate.clock.advance(Duration::from_secs(600));
    assert_eq!(gate.judge(&claims), Err(ErrorCode::TokenExpired));
}

#[test]
fn a05_a_time_beyond_every_calendar_is_refused() {
    let gate = Gate::new();
    for time in [LATEST + 1, 1 << 53, 1 << 63, u64::MAX] {
        for claims in [
            Claims { exp: time, ..gate.claims() },
            Claims { iat: time, ..gate.claims() },
            Claims { nbf: time, ..gate.claims() },
        ] {
            assert_eq!(gate.judge(&claims), Err(ErrorCode::TokenInvalid), "{time}");
        }
    }
}

#[test]
fn a06_a_token_from_the_future_is_refused_beyond_the_skew_of_two_clocks() {
    let gate = Gate::new();
    let now = gate.clock.unix_seconds();
    for (ahead, expected) in [(30, Ok(())), (31, Err(ErrorCode::TokenInvalid))] {
        assert_eq!(gate.judge(&Claims { iat: now + ahead, ..gate.claims() }), expected);
        assert_eq!(gate.judge(&Claims { nbf: now + ahead, ..gate.claims() }), expected);
    }
}

#[test]
fn a07_a_token_of_another_issuer_or_audience_is_refused() {
    let gate = Gate::new();
    for other in ["", "A", "aa", "a "] {
        assert_eq!(gate.judge(&Claims { aud: other.into(), ..gate.claims() }), Err(ErrorCode::TokenInvalid));
        assert_eq!(gate.judge(&Claims { iss: other.into(), ..gate.claims() }), Err(ErrorCode::TokenInvalid));
    }
}

#[test]
fn refresh_takes_the_token_with_and_without_its_prefix() {
    let gate = Gate::new();
    let token = gate.token(&gate.claims());
    for token in [token.as_str(), token.strip_prefix("sk-ant-proxy-").unwrap()] {
        assert!(gate.auth.admit_refresh(&map(&[("authorization", &format!("Bearer {token}"))])).is_ok());
    }
    assert!(gate.auth.admit_refresh(&map(&[("x-api-key", &token)])).is_err());
}

#[test]
fn a03_a_remembered_token_of_a_retired_key_is_refused_at_once_and_that_of_a_kept_one_is_not() {
    let gate = Gate::new();
    let (old, new) = ("k1:0123456789abcdefZq8vX2mB7kLw4nRt", "k2:b5T0xNf8QwMz3vKe7YrJd2LhPs9cUg6A");
    let keys = |lines: &[&str]| gate.keys.replace(&KeyList::from_file(&lines.join("\n")).unwrap());
    let judge = |token: &str| gate.admit(&[("x-api-key", token)]).map(drop);
    keys(&[old]);
    let of_old = gate.token(&gate.claims());
    keys(&[new, old]);
    let of_new = gate.token(&gate.claims());
    assert_eq!((judge(&of_old), judge(&of_new)), (Ok(()), Ok(())));
    keys(&[new]);
    assert_eq!((judge(&of_old), judge(&of_new)), (Err(ErrorCode::TokenInvalid), Ok(())));
    let bearer = format!("Bearer {of_old}");
    assert!(gate.auth.admit_refresh(&map(&[("authorization", &bearer)])).is_err());
    keys(&[new, old]);
    assert_eq!(judge(&of_old), Ok(()));
}

#[test]
fn each_good_request_counts_for_its_key_and_no_other_does() {
    let gate = Gate::new();
    let token = gate.token(&gate.claims());
    for _ in 0..3 {
        gate.admit(&[("x-api-key", &token)]).unwrap();
    }
    gate.admit(&[("x-api-key", &format!("{token}x"))]).unwrap_err();
    gate.clock.advance(Duration::from_secs(600));
    gate.admit(&[("x-api-key", &token)]).unwrap_err();
    assert_eq!(gate.keys.figures().of("k1").map(|key| (key.admitted, key.signed)), Some((3, 1)));
}
