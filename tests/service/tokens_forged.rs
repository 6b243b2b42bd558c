//! Tokens that nobody was given: each is a 401 that reads like any other, and nothing happens because of it (A01–A04, A08,
//! A09). What they say is in `tokens_claims`.

use aws_lc_rs::hmac;
use serde_json::json;

use testkit::http::Answer;
use testkit::service::TestService;
use testkit::service::forge::{HEADER, SECRET, claims, encoded, signed, token};
use testkit::upstream::Upstream;

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
async fn a08_a_token_of_another_kind_or_another_place_is_refused() {
    let bench = Bench::start();
    let mut tokens: Vec<_> =
        ["refresh+jwt", "challenge+jwt", "dpop+jwt", "JWT", "jwt", "AT+JWT", "application/at+jwt", "at", ""]
            .map(|typ| token(&json!({ "alg": "HS256", "kid": "k1", "typ": typ }).to_string(), &bench.claims()))
            .into();
    tokens.push(token(r#"{"alg":"HS256","kid":"k1"}"#, &bench.claims()));
    tokens.push(token(r#"{"alg":"HS256","kid":"k1","typ":["at+jwt"]}"#, &bench.claims()));
    // Another environment has another name, another region another secret.
    let staging = TestService::start_with("http://127.0.0.1:9", |flags| flags.set("TOKEN_ISSUER", "staging"));
    tokens.push(staging.token().await);
    let region = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("JWT_SECRET", "fedcba9876543210fedcba9876543210");
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
pub(crate) struct Bench {
    pub(crate) service: TestService,
    upstream: Upstream,
    elsewhere: Upstream,
}

impl Bench {
    pub(crate) fn start() -> Self {
        let (upstream, elsewhere) = (Upstream::start(), Upstream::start());
        Self { service: TestService::before(&upstream), upstream, elsewhere }
    }

    pub(crate) fn claims(&self) -> String {
        claims(&self.service).to_string()
    }

    /// The claims with this JSON text as a field's value.
    pub(crate) fn with_raw(&self, field: &str, raw: &str) -> String {
        let mut claims = claims(&self.service);
        claims[field] = json!("PLACE");
        claims.to_string().replace("\"PLACE\"", raw)
    }

    pub(crate) fn without(&self, field: &str) -> String {
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

    pub(crate) async fn ask(&self, token: &str) -> Answer {
        self.service.messages(token, BODY).await
    }

    /// Every one is refused in the same words, at both doors.
    pub(crate) async fn refuses_all(&self, tokens: impl IntoIterator<Item = String>) {
        let url = self.service.at("/refresh");
        for token in tokens {
            let short = &token[..token.len().min(300)];
            let bearer = format!("Bearer {token}");
            let refreshed = testkit::http::post(&url, &[("authorization", &bearer)], "").await;
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
