//! Tokens that nobody was given: each is a 401 that reads like any other, and nothing happens because of it (A01–A09).

use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::support::forge::{HEADER, SECRET, claims, encoded, signed, token};
use crate::support::http::Answer;
use crate::support::service::TestService;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn a_token_that_is_forged_with_the_secret_of_the_service_is_good() {
    let bench = Bench::start();
    // Else everything below would be refused for another reason than its own.
    assert_eq!(bench.ask(&token(HEADER, &bench.claims())).await.status, 200);
    assert_eq!(bench.upstream.requests().len(), 1);
}

#[tokio::test]
async fn a01_a_token_without_a_signature_is_refused() {
    let bench = Bench::start();
    let claims = bench.claims();
    let mut tokens = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg, "kid": "k1", "typ": "at+jwt" }).to_string();
        tokens.push(token(&header, &claims));
        tokens.push(format!("sk-ant-proxy-{}.{}.", encoded(&header), encoded(&claims)));
    }
    let good = token(HEADER, &claims);
    let (message, _) = good.rsplit_once('.').unwrap();
    tokens.extend([
        format!("{message}."),
        message.to_owned(),
        format!("{message}.AA"),
        format!("{message}.{}", "A".repeat(43)),
    ]);
    bench.refuses_all(tokens).await;
}

#[tokio::test]
async fn a02_another_algorithm_is_refused_even_with_the_right_secret() {
    let bench = Bench::start();
    let claims = bench.claims();
    let mut tokens: Vec<_> = ["RS256", "ES256", "PS256", "EdDSA", "HS384", "HS512", "hs256", "HS256 ", "HS25"]
        .map(|alg| token(&json!({ "alg": alg, "kid": "k1", "typ": "at+jwt" }).to_string(), &claims))
        .into();
    for (alg, algorithm) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        let header = json!({ "alg": alg, "kid": "k1", "typ": "at+jwt" }).to_string();
        tokens.push(signed(algorithm, SECRET, &header, &claims));
        tokens.push(signed(algorithm, SECRET, HEADER, &claims));
    }
    for header in [
        r#"{"kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":null,"kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":["HS256"],"kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":{"HS256":1},"kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","alg":"none","kid":"k1","typ":"at+jwt"}"#,
        r#"{"alg":"none","alg":"HS256","kid":"k1","typ":"at+jwt"}"#,
        r#"["HS256"]"#,
        "{}",
        "",
    ] {
        tokens.push(token(header, &claims));
    }
    bench.refuses_all(tokens).await;
}

#[tokio::test]
async fn a03_a_kid_that_is_no_key_of_ours_is_refused_and_looks_nothing_up() {
    let bench = Bench::start();
    let claims = bench.claims();
    let long = "k".repeat(10_000);
    let elsewhere = format!("{}/keys", bench.elsewhere.url());
    let names = [
        "",
        "k2",
        "K1",
        "k1 ",
        " k1",
        "k1\0",
        "../k1",
        "../../../../etc/passwd",
        "/dev/zero",
        "file:///dev/zero",
        &elsewhere,
        "k1' OR '1'='1",
        "k1; DROP TABLE devices",
        "${k1}",
        "k1\r\nx: y",
        "k\u{131}",
        &long,
    ];
    let mut tokens: Vec<_> =
        names.map(|kid| token(&json!({ "alg": "HS256", "kid": kid, "typ": "at+jwt" }).to_string(), &claims)).into();
    for kid in [r#"["k1"]"#, "null", "1", "{}", r#""k1","kid":"k1""#, r#""k2","kid":"k1""#] {
        tokens.push(token(&format!(r#"{{"alg":"HS256","kid":{kid},"typ":"at+jwt"}}"#), &claims));
    }
    tokens.push(token(r#"{"alg":"HS256","typ":"at+jwt"}"#, &claims));
    bench.refuses_all(tokens).await;
    let figures = bench.service.keys.figures();
    // Each was tried at two doors; the long one is refused unread.
    assert_eq!((figures.unknown, figures.kids.len()), (2 * (names.len() as u64 - 1), 1));
}

#[tokio::test]
async fn a04_a_header_that_points_elsewhere_is_refused_and_nothing_is_fetched() {
    let bench = Bench::start();
    let elsewhere = bench.elsewhere.url();
    let key = json!({ "kty": "oct", "k": encoded("attacker"), "alg": "HS256", "kid": "k1" });
    let tokens = [
        ("jwk", key.clone()),
        ("jku", json!(elsewhere)),
        ("x5u", json!(elsewhere)),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AA")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("keys", json!([key])),
    ]
    .map(|(field, value)| {
        let mut header = json!({ "alg": "HS256", "kid": "k1", "typ": "at+jwt" });
        header[field] = value;
        token(&header.to_string(), &bench.claims())
    });
    bench.refuses_all(tokens).await;
}

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

#[tokio::test]
async fn a08_a_token_of_another_kind_or_another_place_is_refused() {
    let bench = Bench::start();
    let mut tokens: Vec<_> =
        ["refresh+jwt", "challenge+jwt", "dpop+jwt", "JWT", "jwt", "AT+JWT", "application/at+jwt", "at", ""]
            .map(|typ| token(&json!({ "alg": "HS256", "kid": "k1", "typ": typ }).to_string(), &bench.claims()))
            .into();
    tokens.push(token(r#"{"alg":"HS256","kid":"k1"}"#, &bench.claims()));
    tokens.push(token(r#"{"alg":"HS256","kid":"k1","typ":["at+jwt"]}"#, &bench.claims()));
    // Another environment has another name, another region another secret.
    let staging = TestService::start_with("http://127.0.0.1:9", |flags| flags.token_issuer = Some("staging".into()));
    tokens.push(staging.token().await);
    let region = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.jwt_secret = Some("fedcba9876543210fedcba9876543210".into());
    });
    tokens.push(region.token().await);
    bench.refuses_all(tokens).await;
}

#[tokio::test]
async fn a09_another_form_of_a_good_token_is_refused() {
    let bench = Bench::start();
    let good = bench.with_both_special_characters();
    let bare = good.strip_prefix("sk-ant-proxy-").unwrap();
    let parts: Vec<_> = bare.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let json_form = json!({ "protected": header, "payload": claims, "signature": signature }).to_string();
    let standard = bare.replace('-', "+").replace('_', "/");
    let tokens = [
        format!("sk-ant-proxy-{header}.{claims}"),
        format!("sk-ant-proxy-{bare}.{signature}"),
        format!("sk-ant-proxy-{bare}.{claims}.{signature}"),
        format!("sk-ant-proxy-.{bare}"),
        format!("sk-ant-proxy-{bare}."),
        format!("sk-ant-proxy-{bare}="),
        format!("sk-ant-proxy-{header}=.{claims}.{signature}"),
        format!("sk-ant-proxy-{standard}"),
        format!("sk-ant-proxy-{header}.{claims}.{}", with_trailing_bits(signature)),
        format!("sk-ant-proxy-{header}.{claims}.{signature}A"),
        format!("sk-ant-proxy-{}", bare.to_ascii_uppercase()),
        format!("sk-ant-proxy-{good}"),
        format!("sk-ant-proxy-{}", "a".repeat(10_000)),
        format!("sk-ant-proxy-{}", ".".repeat(2_000)),
    ];
    bench.refuses_all(tokens).await;
    // Here it is not even seen that it is ours, and it is no less refused.
    let json_form = format!("sk-ant-proxy-{json_form}");
    let others =
        [format!("SK-ANT-PROXY-{bare}"), format!("sk-ant-Proxy-{bare}"), format!(" {good} x"), bare.to_owned()];
    for token in others.into_iter().chain([json_form]) {
        let answer = bench.ask(&token).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "token_missing"), "{token}");
    }
    bench.nothing_happened();
    assert_eq!(bench.ask(&good).await.status, 200);
}

/// A service, its upstream, and a place to which nobody should go.
struct Bench {
    service: TestService,
    upstream: Upstream,
    elsewhere: Upstream,
}

impl Bench {
    fn start() -> Self {
        let (upstream, elsewhere) = (Upstream::start(), Upstream::start());
        Self { service: TestService::before(&upstream), upstream, elsewhere }
    }

    fn claims(&self) -> String {
        claims(&self.service).to_string()
    }

    /// The claims with this JSON text as a field's value.
    fn with_raw(&self, field: &str, raw: &str) -> String {
        let mut claims = claims(&self.service);
        claims[field] = json!("PLACE");
        claims.to_string().replace("\"PLACE\"", raw)
    }

    fn without(&self, field: &str) -> String {
        let mut claims = claims(&self.service);
        claims.as_object_mut().unwrap().remove(field);
        claims.to_string()
    }

    /// A good token with `-` and with `_` in it, which the other base64 alphabet spells differently.
    fn with_both_special_characters(&self) -> String {
        let mut claims = claims(&self.service);
        let mut tokens = (0..1000).map(|number| {
            claims["jti"] = json!(format!("forged-{number}"));
            token(HEADER, &claims.to_string())
        });
        let special = |token: &String| ["-", "_"].iter().all(|one| token["sk-ant-proxy-".len()..].contains(*one));
        tokens.find(special).expect("one in a thousand")
    }

    async fn ask(&self, token: &str) -> Answer {
        self.service.messages(token, BODY).await
    }

    /// Every one is refused in the same words, at both doors.
    async fn refuses_all(&self, tokens: impl IntoIterator<Item = String>) {
        let url = self.service.at("/refresh");
        for token in tokens {
            let short = &token[..token.len().min(300)];
            let bearer = format!("Bearer {token}");
            let refreshed = crate::support::http::post(&url, &[("authorization", &bearer)], "").await;
            for answer in [self.ask(&token).await, refreshed] {
                let text = answer.text().replace(answer.header("request-id").unwrap_or_default(), "ID");
                assert_eq!((answer.status, text.as_str()), (401, REFUSED), "{short}");
                assert_eq!(answer.header("x-valetkey-error"), Some("token_invalid"), "{short}");
                assert_eq!(answer.header("x-should-retry"), Some("false"), "{short}");
                assert_eq!(answer.header("x-proxy-token-expired"), None, "{short}");
            }
        }
        self.nothing_happened();
    }

    fn nothing_happened(&self) {
        assert_eq!((self.upstream.connections(), self.elsewhere.connections()), (0, 0));
        assert_eq!(self.service.usage.records().len(), 0);
    }
}

/// The same bytes, and a one in the two bits behind them.
fn with_trailing_bits(signature: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = signature.split_at(signature.len() - 1);
    let value = ALPHABET.iter().position(|one| *one == last.as_bytes()[0]).unwrap();
    assert_eq!(value % 4, 0, "32 bytes leave two bits over");
    format!("{rest}{}", char::from(ALPHABET[value + 1]))
}

const REFUSED: &str = concat!(
    r#"{"type":"error","error":{"type":"authentication_error","message":"The wrapper token is not valid here","#,
    r#""details":{"error_code":"token_invalid"}},"request_id":"ID"}"#
);

const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
