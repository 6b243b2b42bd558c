//! Proofs of a device's key that prove nothing: each is refused and counted by its reason, and nothing is bound (A12).

use std::time::Duration;

use serde_json::{Value, json};

use testkit::http::{Answer, post};
use testkit::service::forge::encoded;
use testkit::service::prover::{Prover, claims, refresh};
use testkit::service::{TestService, metrics};

/// A service, and a device that has not enrolled.
struct Bench {
    service: TestService,
    device: Prover,
}

impl Bench {
    fn start() -> Self {
        Self { service: TestService::start("http://127.0.0.1:9"), device: Prover::generate() }
    }

    /// `/bootstrap` with a proof that is good but for a change.
    async fn ask(&self, change: impl FnOnce(&mut Value, &mut Value)) -> Answer {
        let nonce = self.device.nonce(&self.service).await;
        let (mut header, mut claims) = (self.device.header(), claims(&self.service, "/bootstrap", &nonce, None));
        change(&mut header, &mut claims);
        self.send(&self.device.sign(&header, &claims)).await
    }

    async fn send(&self, proof: &str) -> Answer {
        post(&self.service.at("/bootstrap"), &[("dpop", proof)], r#"{"device_id":"device-0001"}"#).await
    }

    async fn refuses(&self, reason: &str, answer: &Answer) {
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "proof_invalid"), "{reason}");
        assert!(answer.json()["token"].is_null());
        assert!(answer.header("dpop-nonce").is_none(), "another nonce does not mend it");
        assert!(self.count(reason).await > 0, "{reason}");
    }

    async fn count(&self, outcome: &str) -> u64 {
        let name = format!("valetkey_device_proofs_total{{outcome=\"{outcome}\"}} ");
        let page = metrics(&self.service).await;
        page.lines().find_map(|line| line.strip_prefix(&name)).expect("all from the start").parse().unwrap()
    }

    /// Nobody has the id yet.
    async fn nothing_is_bound(&self) {
        assert_eq!(Prover::generate().bootstrap(&self.service, "device-0001").await.status, 200);
    }
}

#[tokio::test]
async fn a_good_proof_is_good() {
    let bench = Bench::start();
    // Else everything below would be refused for another reason than its own.
    assert_eq!(bench.ask(|_, _| {}).await.status, 200);
    assert_eq!(bench.count("good").await, 1);
    assert_eq!(bench.count("nonce_missing").await, 1);
}

#[tokio::test]
async fn a12_a_header_that_says_anything_else_is_refused() {
    let bench = Bench::start();
    for alg in ["none", "HS256", "RS256", "ES384", "es256", "EdDSA", ""] {
        bench.refuses("header", &bench.ask(|header, _| header["alg"] = alg.into()).await).await;
    }
    for typ in ["JWT", "at+jwt", "dpop", "DPOP+JWT", ""] {
        bench.refuses("header", &bench.ask(|header, _| header["typ"] = typ.into()).await).await;
    }
    for more in ["kid", "jku", "x5u", "crit", "b64"] {
        bench.refuses("header", &bench.ask(|header, _| header[more] = "x".into()).await).await;
    }
    let without = bench.ask(|header, _| drop(header.as_object_mut().unwrap().remove("jwk"))).await;
    bench.refuses("header", &without).await;
    bench.nothing_is_bound().await;
}

#[tokio::test]
async fn a12_a_private_key_one_of_another_curve_and_one_off_the_curve_are_refused() {
    let bench = Bench::start();
    let private = bench.ask(|header, _| header["jwk"]["d"] = encoded([7; 32]).into()).await;
    bench.refuses("header", &private).await;
    for (member, value) in [
        ("kty", json!("OKP")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("x", json!(encoded([0; 31]))),
        ("y", json!("")),
        // The point at infinity has no coordinates; this is the nearest to it, and others that are on no curve.
        ("x", json!(encoded([0; 32]))),
        ("y", json!(encoded([0; 32]))),
        ("x", json!(encoded([255; 32]))),
    ] {
        bench.refuses("key", &bench.ask(|header, _| header["jwk"][member] = value).await).await;
    }
    bench.nothing_is_bound().await;
}

#[tokio::test]
async fn a12_a_proof_of_somebody_elses_key_is_refused() {
    let bench = Bench::start();
    let other = Prover::generate();
    bench.refuses("signature", &bench.ask(|header, _| header["jwk"] = other.jwk.clone()).await).await;
    let nonce = bench.device.nonce(&bench.service).await;
    let good = bench.device.proof(&bench.service, "/bootstrap", &nonce, None);
    let (message, signature) = good.rsplit_once('.').unwrap();
    for signature in [String::new(), encoded([0; 64]), encoded([0; 63]), encoded([255; 64])] {
        bench.refuses("signature", &bench.send(&format!("{message}.{signature}")).await).await;
    }
    // A failure does not use the nonce up.
    assert_eq!(bench.send(&format!("{message}.{signature}")).await.status, 200);
}

#[tokio::test]
async fn a12_a_text_that_is_no_jwt_is_refused() {
    let bench = Bench::start();
    let nonce = bench.device.nonce(&bench.service).await;
    let good = bench.device.proof(&bench.service, "/bootstrap", &nonce, None);
    let padded = good.replacen('.', "=.", 1);
    for text in ["", "a", "a.b", "a.b.c", "..", &*format!("{good}="), &*padded, &"a".repeat(8192)] {
        let answer = bench.send(text).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (401, "proof_invalid"), "{text}");
    }
    bench.refuses("shape", &bench.send("a").await).await;
    let list = bench.device.sign(&bench.device.header(), &json!(["a", "POST", bench.service.at("/bootstrap"), 1]));
    bench.refuses("claims", &bench.send(&list).await).await;
    bench.nothing_is_bound().await;
}

#[tokio::test]
async fn a12_a_proof_for_something_else_is_refused() {
    let bench = Bench::start();
    for method in ["GET", "post", "PUT", ""] {
        bench.refuses("method", &bench.ask(|_, claims| claims["htm"] = method.into()).await).await;
    }
    for address in ["/refresh", "/bootstrap/", "/bootstrap/x", "/Bootstrap", "/"] {
        let address = bench.service.at(address);
        bench.refuses("address", &bench.ask(|_, claims| claims["htu"] = address.into()).await).await;
    }
    for address in ["", "/bootstrap", "bootstrap", "ftp://127.0.0.1/bootstrap", "data:/bootstrap"] {
        bench.refuses("address", &bench.ask(|_, claims| claims["htu"] = address.into()).await).await;
    }
    bench.refuses("token", &bench.ask(|_, claims| claims["ath"] = encoded([0; 32]).into()).await).await;
    for claim in ["jti", "htm", "htu", "iat"] {
        let without = bench.ask(|_, claims| drop(claims.as_object_mut().unwrap().remove(claim))).await;
        bench.refuses("claims", &without).await;
    }
    for iat in [json!("1"), json!(1.5), json!(-1), json!(null)] {
        bench.refuses("claims", &bench.ask(|_, claims| claims["iat"] = iat).await).await;
    }
    bench.refuses("claims", &bench.ask(|_, claims| claims["jti"] = "".into()).await).await;
    bench.nothing_is_bound().await;
}

#[tokio::test]
async fn a12_a_proof_at_refresh_is_for_the_token_beside_it() {
    let bench = Bench::start();
    let token =
        bench.device.bootstrap(&bench.service, "device-0001").await.json()["token"].as_str().unwrap().to_owned();
    let other =
        bench.device.bootstrap(&bench.service, "device-0002").await.json()["token"].as_str().unwrap().to_owned();
    for hashed in [None, Some(other.as_str()), Some("")] {
        let nonce = bench.device.nonce(&bench.service).await;
        let proof = bench.device.proof(&bench.service, "/refresh", &nonce, hashed);
        bench.refuses("token", &refresh(&bench.service, &token, &[("dpop", &proof)]).await).await;
    }
    for presented in [token.clone(), format!("sk-ant-proxy-{token}")] {
        assert_eq!(bench.device.refresh(&bench.service, &presented).await.status, 200);
    }
}

#[tokio::test]
async fn a12_two_proofs_are_none() {
    let bench = Bench::start();
    let nonce = bench.device.nonce(&bench.service).await;
    let proof = bench.device.proof(&bench.service, "/bootstrap", &nonce, None);
    let url = bench.service.at("/bootstrap");
    let answer = post(&url, &[("dpop", &proof), ("dpop", &proof)], r#"{"device_id":"device-0001"}"#).await;
    bench.refuses("repeated", &answer).await;
    bench.nothing_is_bound().await;
}

#[tokio::test]
async fn a12_a_nonce_is_good_once_for_two_minutes_and_only_from_here() {
    let bench = Bench::start();
    let nonce = bench.device.nonce(&bench.service).await;
    let proof = bench.device.proof(&bench.service, "/bootstrap", &nonce, None);
    assert_eq!(bench.send(&proof).await.status, 200);
    let another = bench.device.sign(&bench.device.header(), &{
        let mut claims = claims(&bench.service, "/bootstrap", &nonce, None);
        claims["jti"] = "another".into();
        claims
    });
    for replayed in [&proof, &another] {
        challenged(&bench.send(replayed).await);
    }
    assert_eq!(bench.count("nonce_used").await, 2);
    let late = bench.device.nonce(&bench.service).await;
    bench.service.clock.advance(Duration::from_secs(119));
    assert_eq!(bench.send(&bench.device.proof(&bench.service, "/bootstrap", &late, None)).await.status, 200);
    let late = bench.device.nonce(&bench.service).await;
    bench.service.clock.advance(Duration::from_secs(120));
    challenged(&bench.send(&bench.device.proof(&bench.service, "/bootstrap", &late, None)).await);
    assert_eq!(bench.count("nonce_old").await, 1);
    let elsewhere = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("JWT_SECRET", "another-secret-of-another-service");
    });
    let foreign = bench.device.nonce(&elsewhere).await;
    let flipped = foreign.chars().rev().collect::<String>();
    for nonce in [&*foreign, &*flipped, "", "AAAA", "nonce"] {
        challenged(&bench.send(&bench.device.proof(&bench.service, "/bootstrap", nonce, None)).await);
    }
    assert_eq!(bench.count("nonce_unknown").await, 5);
}

#[tokio::test]
async fn f41_a_devices_clock_does_not_count() {
    let bench = Bench::start();
    for iat in [0, 1, u64::from(u32::MAX), 253_402_300_799] {
        assert_eq!(bench.ask(|_, claims| claims["iat"] = iat.into()).await.status, 200, "{iat}");
    }
}

fn challenged(answer: &Answer) {
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "proof_nonce"), "{}", answer.text());
    assert!(answer.header("dpop-nonce").is_some_and(|nonce| nonce.len() == 48));
    assert!(answer.header("www-authenticate").unwrap().starts_with("DPoP error=\"use_dpop_nonce\""));
}
