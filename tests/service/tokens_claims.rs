//! Tokens that are signed and say what they may not say: odd times, other issuers (A05–A07).

use std::time::Duration;

use serde_json::{Value, json};

use crate::tokens_forged::Bench;
use testkit::service::forge::{HEADER, claims, token};

#[tokio::test]
async fn a05_a_time_that_is_no_number_of_seconds_is_refused_and_never_left_out() {
    let bench = Bench::start();
    let now = bench.service.unix_seconds();
    let odd = [
        format!("\"{}\"", now + 3600),
        format!("{}.5", now + 3600),
        format!("{}.0", now + 3600),
        "1e400".into(),
        "null".into(),
        "true".into(),
        "-1".into(),
        "[]".into(),
        "{}".into(),
        (1_u64 << 63).to_string(),
        u64::MAX.to_string(),
        "18446744073709551616".into(),
    ];
    let mut tokens = Vec::new();
    for field in ["exp", "nbf", "iat"] {
        for value in &odd {
            tokens.push(token(HEADER, &bench.with_raw(field, value)));
        }
        tokens.push(token(HEADER, &bench.without(field)));
        let twice = bench.claims().replacen('{', &format!("{{\"{field}\":{now},"), 1);
        tokens.push(token(HEADER, &twice));
        let escaped =
            bench.claims().replacen('{', &format!("{{\"\\u00{:02x}{}\":{now},", field.as_bytes()[0], &field[1..]), 1);
        tokens.push(token(HEADER, &escaped));
    }
    bench.refuses_all(tokens).await;
}

/// Offsets from now: issued, not before, expires; and what becomes of the token.
const TIMES: [(i64, i64, i64, &str); 12] = [
    (0, 0, 1, ""),
    (0, 0, 0, "token_expired"),
    (0, 0, -1, "token_expired"),
    (-100, -100, 1, ""),
    (30, 0, 3600, ""),
    (31, 0, 3600, "token_invalid"),
    (0, 30, 3600, ""),
    (0, 31, 3600, "token_invalid"),
    // A token lives as long as this service's tokens live, whatever it says.
    (-86_399, -86_399, 1 << 30, ""),
    (-86_400, -86_400, 1 << 30, "token_expired"),
    (-86_401, -86_401, 1 << 30, "token_expired"),
    // It ends before it begins.
    (20, 20, 10, ""),
];

#[tokio::test]
async fn a06_a_token_is_good_from_its_first_second_to_its_last() {
    let bench = Bench::start();
    for (iat, nbf, exp, fault) in TIMES {
        let now = i64::try_from(bench.service.unix_seconds()).unwrap();
        let mut claims = claims(&bench.service);
        (claims["iat"], claims["nbf"], claims["exp"]) = (json!(now + iat), json!(now + nbf), json!(now + exp));
        let answer = bench.ask(&token(HEADER, &claims.to_string())).await;
        if fault.is_empty() {
            assert_eq!(answer.status, 200, "{iat} {nbf} {exp}: {}", answer.text());
        } else {
            assert_eq!((answer.status, answer.error_code().as_str()), (401, fault), "{iat} {nbf} {exp}");
        }
        let hint = answer.header("x-proxy-token-expired").is_some();
        assert_eq!(hint, fault == "token_expired", "{iat} {nbf} {exp}");
    }
}

#[tokio::test]
async fn a06_a_remembered_token_is_judged_by_its_times_again() {
    let bench = Bench::start();
    let mut claims = claims(&bench.service);
    claims["exp"] = json!(bench.service.unix_seconds() + 60);
    let token = token(HEADER, &claims.to_string());
    assert_eq!(bench.ask(&token).await.status, 200);
    bench.service.clock.advance(Duration::from_secs(59));
    assert_eq!(bench.ask(&token).await.status, 200);
    bench.service.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.ask(&token).await.error_code(), "token_expired");
}

#[tokio::test]
async fn a07_a_token_of_or_for_somebody_else_is_refused() {
    let bench = Bench::start();
    let mut tokens = Vec::new();
    for field in ["iss", "aud"] {
        for value in [
            json!("staging"),
            json!(""),
            json!("Valetkey"),
            json!("valetke"),
            json!("valetkey2"),
            json!("valetkey "),
            json!("https://valetkey"),
            json!(["valetkey"]),
            json!(["other", "valetkey"]),
            json!({ "valetkey": 1 }),
            Value::Null,
            json!(1),
        ] {
            let mut claims = claims(&bench.service);
            claims[field] = value;
            tokens.push(token(HEADER, &claims.to_string()));
        }
        tokens.push(token(HEADER, &bench.without(field)));
        let twice = bench.claims().replacen('{', &format!("{{\"{field}\":\"staging\","), 1);
        tokens.push(token(HEADER, &twice));
    }
    for (field, value) in
        [("sub", json!("DEVICE-0001")), ("sub", json!("")), ("sub", json!(["device-0001"])), ("jti", json!(1))]
    {
        let mut claims = claims(&bench.service);
        claims[field] = value;
        tokens.push(token(HEADER, &claims.to_string()));
    }
    for field in ["sub", "jti"] {
        tokens.push(token(HEADER, &bench.without(field)));
    }
    bench.refuses_all(tokens).await;
}
