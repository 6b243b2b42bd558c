//! The device key: made once, stored in the keychain, proved to the service; a missing key never stops a client.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Notify;
use valetkey::client::device::DeviceIds;
use valetkey::client::device_key::DeviceKey;
use valetkey::client::error::ClientError;
use valetkey::client::keychain::KeychainError;
use valetkey::client::refresh::Reason;
use valetkey::wire::{ErrorCode, token_hash};

use testkit::client::fake_service::{FakeService, Route, Say, Seen};
use testkit::client::keychain::{FakeStore, Op};
use testkit::client::{Setup, some_machine, some_other_machine};

#[tokio::test]
async fn the_first_bootstrap_carries_a_proof_of_a_stored_key() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await;
    let held = kept(&setup.store);
    let [asked] = &service.seen(Route::Bootstrap)[..] else { panic!("one bootstrap") };
    let proof = Proof::of(asked);
    assert_eq!((proof.thumbprint(), &proof.header["typ"]), (held.clone(), &Value::from("dpop+jwt")));
    assert_eq!(proof.claims["htm"], "POST");
    assert_eq!(proof.claims["htu"], format!("{}/bootstrap", service.url));
    assert!(proof.claims.get("nonce").is_none() && proof.claims.get("ath").is_none());
    // The next start has the same key.
    setup.store.remove("wrapper-token");
    setup.start().await;
    assert_eq!(Proof::of(&service.seen(Route::Bootstrap)[1]).thumbprint(), held);
}

#[tokio::test]
async fn a_client_repeats_its_request_with_the_nonce_of_the_service() {
    let service = FakeService::start().await;
    let challenge = || Say::error("proof_nonce").header("dpop-nonce", "a-nonce");
    service.once(Route::Bootstrap, challenge());
    service.once(Route::Refresh, challenge());
    let client = Setup::new(&service.url).start().await;
    client.client.refresher.ask(Reason::Forced).await.unwrap();
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
async fn endless_nonce_challenges_are_an_outage_after_two_requests() {
    let service = FakeService::start().await;
    service.always(Route::Bootstrap, Say::error("proof_nonce").header("dpop-nonce", "a-nonce"));
    let refusal = Setup::new(&service.url).refusal().await;
    assert!(refusal.is_outage() && refusal.is_retryable(), "{refusal}");
    assert_eq!(service.count(Route::Bootstrap), 2);
}

#[tokio::test]
async fn a_client_without_a_keychain_sends_no_proof() {
    let in_memory = |setup: Setup| setup.with("storage", "memory");
    let broken = |setup: Setup| {
        setup.store.fail_always(&KeychainError::Unavailable("no session bus".into()));
        setup
    };
    let locked = |setup: Setup| {
        setup.store.fail_always(&KeychainError::Locked);
        setup
    };
    let read_only = |setup: Setup| {
        setup.store.fail_each(Op::Set, KeychainError::TooLong);
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
async fn an_unreadable_key_in_the_keychain_is_not_overwritten() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await;
    let kept = setup.store.entry(KEY).unwrap();
    setup.store.remove("wrapper-token");
    // The entry of the token can be read, the entry of the key cannot.
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
    let held = kept(&setup.store);
    assert_eq!(Proof::of(&service.seen(Route::Bootstrap)[0]).thumbprint(), held);
}

#[tokio::test]
async fn a_client_takes_its_keyed_id_when_the_usual_id_has_another_key() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let usual = ids().usual.clone();
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    let client = setup.start().await;
    let own = ids().keyed(&kept(&setup.store));
    assert_eq!(client.client.status().device, own);
    assert_eq!(asked(&service), [usual.id.as_str(), own.id.as_str()]);
    assert_eq!(client.messages("hello").await.status, 200);
    // The next start is the same device, with the stored token.
    assert_eq!(setup.start().await.client.status().device, own);
    assert_eq!(service.count(Route::Bootstrap), 2);
}

#[tokio::test]
async fn a_client_without_a_key_is_the_same_keyless_device_at_every_start() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.fail_always(&KeychainError::Unavailable("no session bus".into()));
    for _ in 0..2 {
        service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
        assert_eq!(setup.start().await.client.status().device, ids().keyless());
    }
    // With a keychain the client is the usual device again and proves its key; the keyless token was not stored.
    setup.store.heal();
    let again = setup.start().await;
    assert_eq!(again.client.status().device, ids().usual);
    let proven = |seen: &Seen| seen.header("dpop").is_some();
    let proven: Vec<_> = service.seen(Route::Bootstrap).iter().map(proven).collect();
    assert_eq!(proven, [false, false, false, false, true]);
}

#[tokio::test]
async fn f77_a_keyless_device_has_its_usual_id_and_its_key_when_the_keychain_comes_back() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.fail_always(&KeychainError::Locked);
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    let client = setup.start().await;
    assert_eq!(client.client.status().device, ids().keyless());
    setup.store.heal();
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!(client.client.status().device, ids().usual);
    let held = kept(&setup.store);
    for asked in [&service.seen(Route::Bootstrap)[2], &service.seen(Route::Refresh)[0]] {
        assert_eq!(Proof::of(asked).thumbprint(), held);
    }
    assert!(setup.store.entry("wrapper-token").is_some());
}

#[tokio::test]
async fn a_running_device_keeps_its_id_while_its_key_cannot_be_read() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await;
    // This client begins with the stored token, and has not read the key yet.
    let client = setup.start().await;
    setup.store.fail_entry(KEY);
    service.once(Route::Refresh, Say::error("device_key_mismatch"));
    let error = client.client.refresher.ask(Reason::Forced).await.unwrap_err();
    assert_eq!(error.code(), "VALET_KEYCHAIN_UNAVAILABLE");
    assert_eq!(client.client.status().device, ids().usual);
    assert_eq!(client.messages("hello").await.status, 200);
    setup.store.heal();
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!(client.client.status().device, ids().usual);
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::Refresh)), (1, 2));
    assert!(service.seen(Route::Refresh)[1].header("dpop").is_some());
}

#[tokio::test]
async fn a_running_client_whose_id_is_taken_goes_on_as_another_device() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let client = setup.start().await;
    assert_eq!(client.client.status().device, ids().usual);
    service.once(Route::Refresh, Say::error("device_key_mismatch"));
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    let own = ids().keyed(&kept(&setup.store));
    assert_eq!(client.client.status().device, own);
    assert_eq!(client.messages("hello").await.status, 200);
    assert!(client.events.statuses().iter().any(|status| status.device == own), "the app is told");
}

#[tokio::test]
async fn a_client_keeps_its_id_until_it_has_a_token_for_another_id() {
    let service = FakeService::start().await;
    let client = Setup::new(&service.url).start().await;
    service.once(Route::Refresh, Say::error("device_key_mismatch"));
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    service.once(Route::Bootstrap, Say::error("overloaded"));
    client.client.refresher.ask(Reason::Forced).await.unwrap_err();
    assert_eq!(client.client.status().device, ids().usual);
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!(client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn a_client_asks_for_two_ids_at_most_when_all_ids_have_other_keys() {
    let service = FakeService::start().await;
    service.always(Route::Bootstrap, Say::error("device_key_mismatch"));
    let refusal = Setup::new(&service.url).refusal().await;
    assert!(matches!(refusal, ClientError::Denied { code: ErrorCode::DeviceKeyMismatch, .. }), "{refusal}");
    assert_eq!(service.count(Route::Bootstrap), 2);
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
async fn the_later_of_two_starting_processes_takes_the_key_of_the_first() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let gate = Arc::new(Notify::new());
    service.once(Route::Bootstrap, Say::error("device_key_mismatch").after(&gate));
    let (first, late) = (setup.clone(), setup.clone());
    let late = tokio::spawn(async move { late.start().await });
    service.wait_for(Route::Bootstrap, 1).await;
    // The other process has written its key over this one's, and the service has bound that key.
    let others = DeviceKey::generate();
    setup.store.put(KEY, &others.as_kept());
    let first = first.start().await;
    gate.notify_one();
    let late = late.await.unwrap();
    for client in [&first, &late] {
        assert_eq!(client.client.status().device, ids().usual);
    }
    assert_eq!(Proof::of(service.seen(Route::Bootstrap).last().unwrap()).thumbprint(), others.thumbprint());
    assert_eq!(kept(&setup.store), others.thumbprint());
}

#[tokio::test]
async fn f78_a_process_waits_for_the_key_of_the_process_that_got_the_id() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let gate = Arc::new(Notify::new());
    service.once(Route::Bootstrap, Say::error("device_key_mismatch").after(&gate));
    let late = tokio::spawn({
        let setup = setup.clone();
        async move { setup.start().await }
    });
    service.wait_for(Route::Bootstrap, 1).await;
    let looks = setup.store.calls(Op::Get);
    gate.notify_one();
    while setup.store.calls(Op::Get) == looks {
        tokio::task::yield_now().await;
    }
    // Only after that look does the first process store its key.
    let others = DeviceKey::generate();
    setup.store.put(KEY, &others.as_kept());
    assert_eq!(late.await.unwrap().client.status().device, ids().usual);
    assert_eq!(Proof::of(service.seen(Route::Bootstrap).last().unwrap()).thumbprint(), others.thumbprint());
}

#[tokio::test]
async fn the_first_of_two_starting_processes_keeps_its_key() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let gate = Arc::new(Notify::new());
    service.once(Route::Bootstrap, Say::token().after(&gate));
    let starting = setup.clone();
    let starting = tokio::spawn(async move { starting.start().await });
    service.wait_for(Route::Bootstrap, 1).await;
    setup.store.put(KEY, &DeviceKey::generate().as_kept());
    gate.notify_one();
    starting.await.unwrap();
    assert_eq!(kept(&setup.store), Proof::of(&service.seen(Route::Bootstrap)[0]).thumbprint());
}

/// The ids of the machine of these tests.
fn ids() -> DeviceIds {
    DeviceIds::of_machine("com.example.test", some_machine).unwrap()
}

fn kept(store: &FakeStore) -> String {
    DeviceKey::read(&store.entry(KEY).unwrap()).unwrap().thumbprint()
}

/// The device ids of all bootstrap requests.
fn asked(service: &FakeService) -> Vec<String> {
    let id =
        |seen: &Seen| serde_json::from_slice::<Value>(&seen.body).unwrap()["device_id"].as_str().unwrap().to_owned();
    service.seen(Route::Bootstrap).iter().map(id).collect()
}

/// The proof of a call, unverified.
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
