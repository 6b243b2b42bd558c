//! A device's id belongs to the key that came with it first (A14).

use serde_json::{Value, json};
use valetkey::service::config::Flags;

use testkit::http::{Answer, get, post};
use testkit::service::TestService;
use testkit::service::prover::{Prover, refresh};
use testkit::stores::database::TestDatabase;
use testkit::upstream::Upstream;

#[tokio::test]
async fn a14_another_devices_id_is_refused_with_a_new_key_and_without_one() {
    let upstream = Upstream::start();
    let service = TestService::before(&upstream);
    let (victim, thief) = (Prover::generate(), Prover::generate());
    let token = token(&victim.bootstrap(&service, ID).await);
    for _ in 0..3 {
        let stolen = thief.bootstrap(&service, ID).await;
        assert_eq!((stolen.status, stolen.error_code().as_str()), (403, "device_key_mismatch"));
        assert_eq!(stolen.header("x-should-retry"), Some("false"));
        let bare = bootstrap(&service, ID).await;
        assert_eq!((bare.status, bare.error_code().as_str()), (403, "device_key_mismatch"));
    }
    // The victim goes on: its token, its refresh, and its next start.
    assert_eq!(service.messages(&token, BODY).await.status, 200);
    let newer = self::token(&victim.refresh(&service, &token).await);
    assert_eq!(service.messages(&newer, BODY).await.status, 200);
    assert_eq!(victim.bootstrap(&service, ID).await.status, 200);
    // And the thief may be a device of its own.
    assert_eq!(thief.bootstrap(&service, "device-0002").await.status, 200);
}

#[tokio::test]
async fn a14_a_copied_token_is_not_renewed_without_its_devices_key() {
    let service = TestService::start("http://127.0.0.1:9");
    let (victim, thief) = (Prover::generate(), Prover::generate());
    let token = token(&victim.bootstrap(&service, ID).await);
    for answer in [refresh(&service, &token, &[]).await, thief.refresh(&service, &token).await] {
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "device_key_mismatch"));
    }
    assert_eq!(victim.refresh(&service, &token).await.status, 200);
}

#[tokio::test]
async fn a_device_without_a_key_stays_one_until_it_proves_the_first() {
    let service = TestService::start("http://127.0.0.1:9");
    let old = service.token_for(ID).await;
    assert_eq!(refresh(&service, &old, &[]).await.status, 200);
    let device = Prover::generate();
    let renewed = token(&device.refresh(&service, &old).await);
    // From now on the old token is of no use for a newer one, whoever has a copy.
    for token in [&old, &renewed] {
        assert_eq!(refresh(&service, token, &[]).await.error_code(), "device_key_mismatch");
    }
    assert_eq!(bootstrap(&service, ID).await.error_code(), "device_key_mismatch");
    assert_eq!(device.refresh(&service, &old).await.status, 200);
    assert_eq!(device.refresh(&service, &renewed).await.status, 200);
}

#[tokio::test]
async fn a14_of_many_keys_at_once_on_two_instances_one_gets_the_id() {
    for database in TestDatabase::each().await {
        let start =
            || TestService::start_with("http://127.0.0.1:9", |flags| flags.set("DATABASE_URL", database.setting()));
        let (one, two) = (start(), start());
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..16 {
            let (service, prover) = (if number % 2 == 0 { &one } else { &two }, Prover::generate());
            let proof = prover.proof(service, "/bootstrap", &prover.nonce(service).await, None);
            let url = service.at("/bootstrap");
            asking.spawn(async move {
                let body = json!({ "device_id": ID }).to_string();
                (post(&url, &[("dpop", &proof)], body).await.status, prover)
            });
        }
        let answers = asking.join_all().await;
        let (got, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 200);
        assert_eq!((got.len(), refused.len()), (1, 15), "{}", database.name);
        assert!(refused.iter().all(|(status, _)| *status == 403));
        // A proof is made for one service, and every instance is that service.
        for service in [&one, &two] {
            assert_eq!(got[0].1.bootstrap(service, ID).await.status, 200);
            assert_eq!(refused[0].1.bootstrap(service, ID).await.status, 403);
        }
    }
}

#[tokio::test]
async fn a_key_outlives_the_service() {
    let database = TestDatabase::sqlite();
    let start = || TestService::start_with("http://127.0.0.1:9", |flags| flags.set("DATABASE_URL", database.setting()));
    let device = Prover::generate();
    let first = start();
    let token = token(&device.bootstrap(&first, ID).await);
    first.stop();
    let second = start();
    assert_eq!(bootstrap(&second, ID).await.error_code(), "device_key_mismatch");
    assert_eq!(device.refresh(&second, &token).await.status, 200);
}

#[tokio::test]
async fn an_administrator_sees_a_key_lets_it_go_and_names_one() {
    let service = TestService::start("http://127.0.0.1:9");
    let (old, new) = (Prover::generate(), Prover::generate());
    assert_eq!(old.bootstrap(&service, ID).await.status, 200);
    let path = format!("/admin/devices/{ID}");
    let patch = async |key: Value| service.admin("PATCH", &path, Some(json!({ "key": key }))).await;
    assert_eq!(service.admin("GET", &path, None).await.status, 404, "a device is one that has done something");
    let named = patch(thumbprint(&old)).await;
    assert_eq!((named.status, &named.json()["key"]), (201, &thumbprint(&old)));
    assert_eq!(new.bootstrap(&service, ID).await.status, 403);
    let let_go = patch(Value::Null).await;
    assert_eq!((let_go.status, &let_go.json()["key"]), (200, &Value::Null));
    assert_eq!(new.bootstrap(&service, ID).await.status, 200);
    assert_eq!(service.admin("GET", &path, None).await.json()["key"], thumbprint(&new));
    assert_eq!(old.bootstrap(&service, ID).await.status, 403);
    // One that is known in advance is the only one that may enrol.
    assert_eq!(patch(thumbprint(&old)).await.status, 200);
    assert_eq!(new.bootstrap(&service, ID).await.status, 403);
    assert_eq!(old.bootstrap(&service, ID).await.status, 200);
    for wrong in [json!(""), json!("A".repeat(42)), json!(format!("{}=", "A".repeat(42))), json!(7)] {
        assert_eq!(patch(wrong.clone()).await.status, 400, "{wrong}");
    }
    let audit = service.admin("GET", "/admin/audit", None).await.text();
    assert!(audit.contains(thumbprint(&old).as_str().unwrap()), "{audit}");
}

#[tokio::test]
async fn a_deleted_device_may_come_back_with_another_key() {
    let service = TestService::start("http://127.0.0.1:9");
    let (old, new) = (Prover::generate(), Prover::generate());
    assert_eq!(old.bootstrap(&service, ID).await.status, 200);
    let path = format!("/admin/devices/{ID}");
    assert_eq!(service.admin("PATCH", &path, Some(json!({ "org": "acme" }))).await.status, 201);
    assert_eq!(service.admin("DELETE", &path, None).await.status, 204);
    assert_eq!(new.bootstrap(&service, ID).await.error_code(), "token_revoked");
    service.clock.advance(std::time::Duration::from_secs(25 * 3600));
    service.until(async || new.bootstrap(&service, ID).await.status == 200).await;
}

#[tokio::test]
async fn the_policy_is_off_bind_or_require() {
    let start = |policy: &str| {
        let policy = policy.to_owned();
        TestService::start_with("http://127.0.0.1:9", move |flags: &mut Flags| flags.set("DEVICE_KEYS", policy))
    };
    let (prover, other) = (Prover::generate(), Prover::generate());
    let off = start("off");
    let nonsense = post(&off.at("/bootstrap"), &[("dpop", "nonsense")], json!({ "device_id": ID }).to_string()).await;
    assert_eq!(nonsense.status, 200, "proofs are not looked at");
    assert_eq!(bootstrap(&off, ID).await.status, 200);
    let require = start("require");
    let bare = bootstrap(&require, ID).await;
    assert_eq!((bare.status, bare.error_code().as_str()), (401, "proof_required"));
    let proven = prover.bootstrap(&require, ID).await;
    assert_eq!(proven.status, 200);
    assert_eq!(other.bootstrap(&require, ID).await.status, 403);
    for (service, policy) in [(&off, "off"), (&require, "require"), (&TestService::start("http://127.0.0.1:9"), "bind")]
    {
        let protocol = get(&service.at("/protocol"), &[]).await.json();
        assert_eq!(protocol["bootstrap"]["device_keys"], policy);
        assert_eq!(protocol["headers"]["proof"], "dpop");
    }
}

#[tokio::test]
async fn a_challenge_does_not_count_as_a_request() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("TRUSTED_PROXIES", "127.0.0.0/8");
        flags.set("BOOTSTRAP_KNOWN_RATE_MAX", "2");
    });
    let device = Prover::generate();
    let from = ("x-forwarded-for", "203.0.113.7");
    let ask = async |nonce: &str| {
        let proof = device.proof(&service, "/bootstrap", nonce, None);
        let body = json!({ "device_id": ID }).to_string();
        post(&service.at("/bootstrap"), &[from, ("dpop", &proof)], body).await
    };
    let mut seen = Vec::new();
    for _ in 0..4 {
        let challenge = ask("not one of yours").await;
        assert_eq!(challenge.error_code(), "proof_nonce");
        seen.push(ask(challenge.header("dpop-nonce").unwrap()).await.status);
    }
    assert_eq!(seen, [200, 200, 429, 429]);
}

#[tokio::test]
async fn a64_f103_devices_with_their_keys_get_tokens_while_new_ones_of_their_address_are_refused() {
    let service = TestService::start_with("http://127.0.0.1:9", |flags| {
        flags.set("TRUSTED_PROXIES", "127.0.0.0/8");
        flags.set("BOOTSTRAP_RATE_MAX", "3");
    });
    let from = ("x-forwarded-for", "203.0.113.7");
    let ask = async |device: &Prover, id: &str| {
        let body = json!({ "device_id": id }).to_string();
        let nonce = device.nonce(&service).await;
        let proof = device.proof(&service, "/bootstrap", &nonce, None);
        post(&service.at("/bootstrap"), &[from, ("dpop", &proof)], body).await.status
    };
    let office = [Prover::generate(), Prover::generate(), Prover::generate()];
    for (number, device) in office.iter().enumerate() {
        assert_eq!(ask(device, &format!("device-000{number}")).await, 200);
    }
    // Somebody in the office invents devices, with keys and without, and takes the ids of others.
    for number in 0..20 {
        let bare = json!({ "device_id": format!("invented-{number:04}") }).to_string();
        assert_eq!(post(&service.at("/bootstrap"), &[from], bare).await.status, 429);
        let other = Prover::generate();
        assert_eq!(ask(&other, &format!("invented-{number:04}")).await, 429);
        assert_eq!(ask(&other, "device-0000").await, 429, "a wrong key counts as a failed request");
    }
    for _ in 0..4 {
        for (number, device) in office.iter().enumerate() {
            assert_eq!(ask(device, &format!("device-000{number}")).await, 200);
        }
    }
}

#[tokio::test]
async fn a_refused_id_does_not_count_as_a_new_device() {
    let database = TestDatabase::sqlite();
    let start = || {
        TestService::start_with("http://127.0.0.1:9", |flags| {
            flags.set("DATABASE_URL", database.setting());
            flags.set("BOOTSTRAP_NEW_DEVICES_PER_HOUR", "1");
        })
    };
    let before = start();
    assert_eq!(Prover::generate().bootstrap(&before, ID).await.status, 200);
    before.stop();
    // To this one every device is new.
    let service = start();
    for _ in 0..3 {
        assert_eq!(Prover::generate().bootstrap(&service, ID).await.status, 403);
    }
    assert_eq!(Prover::generate().bootstrap(&service, "device-0002").await.status, 200);
    assert_eq!(Prover::generate().bootstrap(&service, "device-0003").await.status, 429);
}

#[tokio::test]
async fn a_device_that_renews_without_end_is_held_up_and_no_other() {
    let service = TestService::start("http://127.0.0.1:9");
    let (token, other) = (service.token_for(ID).await, service.token_for("device-0002").await);
    let mut seen = Vec::new();
    for _ in 0..70 {
        seen.push(refresh(&service, &token, &[]).await);
    }
    assert!(seen.iter().filter(|answer| answer.status == 200).count() <= 61);
    let last = seen.last().unwrap();
    assert_eq!((last.status, last.error_code().as_str()), (429, "rate_limited"));
    assert!(last.header("retry-after").unwrap().parse::<u64>().unwrap() <= 60);
    assert_eq!(refresh(&service, &other, &[]).await.status, 200);
}

#[tokio::test]
async fn f37_while_the_database_is_away_ids_are_given_to_nobody_and_keys_go_on() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let start = |policy: &str| {
        TestService::start_with("http://127.0.0.1:9", |flags| {
            flags.set("DATABASE_URL", database.setting());
            flags.set("DEVICE_KEYS", policy);
        })
    };
    let (bind, require) = (start("bind"), start("require"));
    let device = Prover::generate();
    let (keyless, proven) = (bind.token_for("device-0002").await, token(&device.bootstrap(&bind, ID).await));
    database.shut().await;
    for service in [&bind, &require] {
        for answer in [device.bootstrap(service, ID).await, Prover::generate().bootstrap(service, "device-0003").await]
        {
            assert_eq!((answer.status, answer.error_code().as_str()), (503, "not_ready"));
            assert_eq!((answer.header("retry-after"), answer.header("x-should-retry")), (Some("5"), Some("true")));
        }
    }
    assert_eq!(bootstrap(&bind, ID).await.status, 503);
    assert_eq!(refresh(&bind, &keyless, &[]).await.status, 503);
    // The token itself says whose key it needs.
    assert_eq!(device.refresh(&bind, &proven).await.status, 200);
    assert_eq!(Prover::generate().refresh(&bind, &proven).await.status, 403);
    assert_eq!(refresh(&bind, &proven, &[]).await.status, 403);
    database.reopen().await;
    bind.until(async || device.bootstrap(&bind, ID).await.status == 200).await;
    bind.until(async || refresh(&bind, &keyless, &[]).await.status == 200).await;
}

#[tokio::test]
async fn f37_a_database_that_takes_nothing_gives_a_new_device_a_token_without_a_key_unless_one_is_required() {
    let database = TestDatabase::sqlite();
    let start = |policy: &str| {
        TestService::start_with("http://127.0.0.1:9", |flags| {
            flags.set("DATABASE_URL", database.setting());
            flags.set("DEVICE_KEYS", policy);
        })
    };
    let (bind, require) = (start("bind"), start("require"));
    let device = Prover::generate();
    assert_eq!(device.bootstrap(&bind, ID).await.status, 200);
    let lock = database.lock().await;
    // Reading goes on, so a key that is known is known.
    assert_eq!(device.bootstrap(&bind, ID).await.status, 200);
    assert_eq!(Prover::generate().bootstrap(&bind, ID).await.status, 403);
    let new = device.bootstrap(&bind, "device-0002").await;
    assert_eq!(device.bootstrap(&require, "device-0003").await.error_code(), "not_ready");
    drop(lock);
    // It was bound to nothing, and is with the next proof.
    let renewed = device.refresh(&bind, new.json()["token"].as_str().unwrap()).await;
    assert_eq!(renewed.status, 200);
    assert_eq!(bootstrap(&bind, "device-0002").await.status, 403);
}

#[cfg(unix)]
#[tokio::test]
async fn f37_a_reply_of_the_database_that_never_comes_costs_those_who_wait_and_nobody_else() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let service = TestService::start_with("http://127.0.0.1:9", |flags| flags.set("DATABASE_URL", database.setting()));
    let device = Prover::generate();
    assert_eq!(device.bootstrap(&service, ID).await.status, 200);
    let stopped = database.stop_backends().await;
    assert_eq!(device.bootstrap(&service, ID).await.error_code(), "not_ready");
    // By another connection, while the first one still hangs.
    assert_eq!(device.bootstrap(&service, ID).await.status, 200);
    drop(stopped);
}

async fn bootstrap(service: &TestService, device: &str) -> Answer {
    post(&service.at("/bootstrap"), &[], json!({ "device_id": device }).to_string()).await
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    format!("sk-ant-proxy-{}", answer.json()["token"].as_str().unwrap())
}

/// RFC 7638, by hand.
fn thumbprint(prover: &Prover) -> Value {
    let (x, y) = (&prover.jwk["x"], &prover.jwk["y"]);
    let text = format!(r#"{{"crv":"P-256","kty":"EC","x":{x},"y":{y}}}"#);
    testkit::service::forge::encoded(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes())).into()
}

const ID: &str = "device-0001";
const BODY: &str = r#"{"model":"claude-sonnet-5-5","messages":[]}"#;
