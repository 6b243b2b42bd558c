//! The device's key: made once, kept in the keychain, proved to the service, and never in a person's way.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use valetkey::client::config::StoragePolicy;
use valetkey::client::device::DeviceIdSource;
use valetkey::client::device_key::DeviceKey;
use valetkey::client::error::ClientError;
use valetkey::client::keychain::StoreError;
use valetkey::client::refresh::Why;
use valetkey::wire::{ErrorCode, token_hash};

use crate::client::{Setup, some_other_machine};
use crate::fake_service::{FakeService, Route, Say, Seen};
use crate::store::{FakeStore, Op};

#[tokio::test]
async fn the_first_token_is_asked_for_with_a_proof_of_a_key_that_is_kept() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await;
    let kept = DeviceKey::read(&setup.store.entry(KEY).unwrap()).unwrap().thumbprint();
    let [asked] = &service.seen(Route::Bootstrap)[..] else { panic!("one bootstrap") };
    let proof = Proof::of(asked);
    assert_eq!((proof.thumbprint(), &proof.header["typ"]), (kept.clone(), &Value::from("dpop+jwt")));
    assert_eq!(proof.claims["htm"], "POST");
    assert_eq!(proof.claims["htu"], format!("{}/bootstrap", service.url));
    assert!(proof.claims.get("nonce").is_none() && proof.claims.get("ath").is_none());
    // The next start has the same key.
    setup.store.remove("wrapper-token");
    setup.start().await;
    assert_eq!(Proof::of(&service.seen(Route::Bootstrap)[1]).thumbprint(), kept);
}

#[tokio::test]
async fn a_service_that_names_a_nonce_is_asked_again_with_it() {
    let service = FakeService::start().await;
    let challenge = || Say::error("proof_nonce").header("dpop-nonce", "a-nonce");
    service.once(Route::Bootstrap, challenge());
    service.once(Route::Refresh, challenge());
    let client = Setup::new(&service.url).start().await;
    client.client.refresher().ask(Why::Forced).await.unwrap();
    for (route, token) in [(Route::Bootstrap, None), (Route::Refresh, Some("canary-wrapper-1"))] {
        let [first, second] = &service.seen(route)[..] else { panic!("{route:?} twice") };
        let (first, second) = (Proof::of(first), Proof::of(second));
        assert!(first.claims.get("nonce").is_none());
        assert_eq!(second.claims["nonce"], "a-nonce", "{route:?}");
        assert_eq!(second.claims["ath"].as_str(), token.map(token_hash).as_deref(), "{route:?}");
        assert_ne!(first.claims["jti"], second.claims["jti"]);
        assert_eq!(first.thumbprint(), second.thumbprint());
    }
}

#[tokio::test]
async fn a_service_that_names_nonces_for_ever_is_an_outage_and_no_end() {
    let service = FakeService::start().await;
    service.always(Route::Bootstrap, Say::error("proof_nonce").header("dpop-nonce", "a-nonce"));
    let refusal = Setup::new(&service.url).refusal().await;
    assert!(refusal.is_outage() && refusal.is_retryable(), "{refusal}");
    assert_eq!(service.count(Route::Bootstrap), 2);
}

#[tokio::test]
async fn without_a_keychain_there_is_no_key_and_no_proof() {
    let in_memory = |setup: Setup| setup.with(|options| options.storage = StoragePolicy::Memory);
    let broken = |setup: Setup| {
        setup.store.fail_always(&StoreError::Unavailable("no session bus".into()));
        setup
    };
    let locked = |setup: Setup| {
        setup.store.fail_always(&StoreError::Locked);
        setup
    };
    let read_only = |setup: Setup| {
        setup.store.fail_each(Op::Set, StoreError::TooLong);
        setup
    };
    let ways: [&dyn Fn(Setup) -> Setup; 4] = [&in_memory, &broken, &locked, &read_only];
    for way in ways {
        let service = FakeService::start().await;
        let client = way(Setup::new(&service.url)).start().await;
        assert_eq!(client.messages("hello").await.status, 200);
        assert!(service.seen(Route::Bootstrap)[0].header("dpop").is_none());
    }
}

#[tokio::test]
async fn a_keychain_that_cannot_be_read_keeps_the_key_that_it_has() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await;
    let kept = setup.store.entry(KEY).unwrap();
    setup.store.remove("wrapper-token");
    // The token's entry is read, the key's is not.
    setup.store.fail_entry(KEY);
    setup.start().await;
    assert!(service.seen(Route::Bootstrap)[1].header("dpop").is_none());
    assert_eq!(setup.store.entry(KEY).unwrap(), kept);
}

#[tokio::test]
async fn f45_a_damaged_key_is_replaced() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.put(KEY, b"no key");
    setup.start().await;
    let kept = DeviceKey::read(&setup.store.entry(KEY).unwrap()).unwrap().thumbprint();
    assert_eq!(Proof::of(&service.seen(Route::Bootstrap)[0]).thumbprint(), kept);
}

#[tokio::test]
async fn an_id_of_a_device_with_another_key_is_left_to_it() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    let client = setup.start().await;
    let device = client.client.status().device;
    assert_eq!(device.source, DeviceIdSource::Random);
    let asked: Vec<Value> =
        service.seen(Route::Bootstrap).iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    assert_ne!(asked[0]["device_id"], asked[1]["device_id"]);
    assert_eq!(asked[1]["device_id"], device.id.as_str());
    assert_eq!(client.messages("hello").await.status, 200);
    // It is the same device at the next start.
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    assert_eq!(setup.start().await.client.status().device, device);
}

#[tokio::test]
async fn a_running_client_whose_id_turns_out_to_be_anothers_goes_on_as_another_device() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    let before = client.client.status().device;
    service.once(Route::Refresh, Say::error("device_key_mismatch"));
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    client.client.refresher().ask(Why::Forced).await.unwrap();
    let after = client.client.status().device;
    assert_eq!((before.source, after.source), (DeviceIdSource::Machine, DeviceIdSource::Random));
    assert_ne!(before.id, after.id);
    assert_eq!(client.messages("hello").await.status, 200);
    assert!(client.events.statuses().iter().any(|status| status.device == after), "the app is told");
}

#[tokio::test]
async fn a_service_that_knows_every_id_by_another_key_is_asked_three_times_and_no_more() {
    let service = FakeService::start().await;
    service.always(Route::Bootstrap, Say::error("device_key_mismatch"));
    let refusal = Setup::new(&service.url).refusal().await;
    assert!(matches!(refusal, ClientError::Denied { code: ErrorCode::DeviceKeyMismatch, .. }), "{refusal}");
    assert_eq!(service.count(Route::Bootstrap), 3);
}

#[tokio::test]
async fn one_keychain_on_two_machines_holds_one_key_and_two_ids() {
    let service = FakeService::start().await;
    let here = Setup::new(&service.url);
    let there = Setup { machine_id: some_other_machine, ..here.clone() };
    let (here, there) = (here.start().await, there.start().await);
    assert_ne!(here.client.status().device.id, there.client.status().device.id);
    let [first, second] = &service.seen(Route::Bootstrap)[..] else { panic!("two bootstraps") };
    assert_eq!(Proof::of(first).thumbprint(), Proof::of(second).thumbprint());
}

#[tokio::test]
async fn two_processes_that_start_at_once_have_one_key_in_the_end() {
    let service = FakeService::start().await;
    let store = FakeStore::new();
    let setup = || Setup { store: store.clone(), ..Setup::new(&service.url) };
    let (one, two) = (setup(), setup());
    tokio::join!(one.start(), two.start());
    store.remove("wrapper-token");
    one.start().await;
    let kept = DeviceKey::read(&store.entry(KEY).unwrap()).unwrap().thumbprint();
    assert_eq!(Proof::of(service.seen(Route::Bootstrap).last().unwrap()).thumbprint(), kept);
}

/// What a call proves, unchecked.
struct Proof {
    header: Value,
    claims: Value,
}

impl Proof {
    fn of(seen: &Seen) -> Self {
        let mut parts = seen.header("dpop").expect("a proof").split('.').map(|part| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice(&bytes).unwrap_or_default()
        });
        Self { header: parts.next().unwrap(), claims: parts.next().unwrap() }
    }

    fn thumbprint(&self) -> String {
        serde_json::from_value::<valetkey::wire::PublicJwk>(self.header["jwk"].clone()).unwrap().thumbprint()
    }
}

const KEY: &str = "device-key";
