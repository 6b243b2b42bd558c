//! A keychain that is locked or slow: the app is told, and the device is its usual self once the keychain answers.

use std::time::Duration;

use valetkey::client::device::DeviceIds;
use valetkey::client::keychain::{KeychainError, KeychainLimits};
use valetkey::client::refresh::Reason;
use valetkey::client::status::{ClientState, Storage};

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::keychain::Op;
use testkit::client::{Setup, TestClient, no_machine, some_machine};

const SECOND: Duration = Duration::from_secs(1);
const TOKEN: &str = "wrapper-token";

fn ids() -> DeviceIds {
    DeviceIds::of_machine("com.example.test", some_machine).unwrap()
}

/// Returns when the client uses the keychain. Until then its clock runs fast.
async fn until_it_is_used(client: &TestClient) {
    let used = client.wait_for("the keychain", |status| status.storage == Storage::Keychain);
    let passing = async {
        for _ in 0..200 {
            client.clock.advance(60 * SECOND);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let status = tokio::select! {
        status = used => status,
        () = passing => panic!("the keychain is not used"),
    };
    assert!(status.last_error.is_none(), "{:?}", status.last_error);
}

#[tokio::test]
async fn f77_a_locked_keychain_is_told_by_its_code_and_the_device_has_its_usual_id_again_once_unlocked() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.fail_always(&KeychainError::Locked);
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    let client = setup.start().await;
    let status = client.client.status();
    assert_eq!((status.device, status.state, status.storage), (ids().keyless(), ClientState::Ready, Storage::Memory));
    assert_eq!(status.last_error.unwrap().code(), "VALET_KEYCHAIN_LOCKED");
    let codes: Vec<_> = client.events.errors().iter().map(|error| error.code()).collect();
    assert_eq!(codes, ["VALET_KEYCHAIN_LOCKED"]);
    setup.store.heal();
    until_it_is_used(&client).await;
    assert_eq!(client.client.status().device, ids().usual);
    assert!(service.seen(Route::Bootstrap).last().unwrap().header("dpop").is_some());
    assert_eq!(client.messages("hello").await.status, 200);
    assert!(setup.store.entry(TOKEN).is_some());
}

#[tokio::test]
async fn f77_a_keychain_that_stays_locked_is_told_once() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.fail_always(&KeychainError::Locked);
    let client = setup.start().await;
    for _ in 0..5 {
        client.client.refresher.ask(Reason::Resumed).await.unwrap();
        client.client.refresher.ask(Reason::Forced).await.unwrap();
    }
    assert_eq!((client.client.status().state, client.events.errors().len()), (ClientState::Ready, 1));
}

#[tokio::test]
async fn f77_a_keychain_that_is_locked_after_the_start_is_not_asked_with_each_attempt_to_renew_the_token() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await.client.close(SECOND).await;
    // This start takes the stored token, and has not read the key.
    let client = setup.start().await;
    setup.store.fail_always(&KeychainError::Locked);
    let token = [Route::Bootstrap, Route::Refresh];
    token.iter().for_each(|route| service.always(*route, Say::cut()));
    let before = (setup.store.calls(Op::Get), service.tokens_asked());
    for _ in 0..60 {
        client.client.refresher.ask(Reason::Rejected(1)).await.unwrap_err();
        client.clock.advance(2 * SECOND);
    }
    let asked = setup.store.calls(Op::Get) - before.0;
    let attempts = service.tokens_asked() - before.1;
    // After 1, 2, 4 s and so on up to a minute, half of each at random.
    assert!(attempts >= 50 && (1..=20).contains(&asked), "{asked} times in {attempts} attempts");
    let codes: Vec<_> = client.events.errors().iter().map(|error| error.code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == "VALET_KEYCHAIN_LOCKED").count(), 1, "{codes:?}");
    token.iter().for_each(|route| service.heal(*route));
    let writes = setup.store.calls(Op::Set);
    client.client.refresher.ask(Reason::Rejected(1)).await.unwrap();
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!(setup.store.calls(Op::Set), writes, "the new token waits until the keychain is taken up again");
    setup.store.heal();
    until_it_is_used(&client).await;
    assert!(setup.store.calls(Op::Set) > writes);
}

#[tokio::test]
async fn f77_a_device_that_kept_its_usual_id_stores_its_token_once_the_keychain_is_unlocked() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.fail_always(&KeychainError::Locked);
    let client = setup.start().await;
    setup.store.heal();
    until_it_is_used(&client).await;
    assert_eq!(service.tokens_asked(), 1);
    // The next start is the same device with the same token.
    let next = setup.start().await;
    assert_eq!((next.client.status().device, service.tokens_asked()), (ids().usual, 1));
}

#[tokio::test]
async fn f77_a_machine_without_an_id_has_its_stored_id_again_once_the_keychain_is_unlocked() {
    let service = FakeService::start().await;
    let mut setup = Setup::new(&service.url);
    setup.machine_id = no_machine;
    let usual = setup.start().await.client.status().device;
    setup.store.fail_always(&KeychainError::Locked);
    let client = setup.start().await;
    assert_ne!(client.client.status().device, usual);
    assert_eq!(client.events.errors()[0].code(), "VALET_KEYCHAIN_LOCKED");
    setup.store.heal();
    until_it_is_used(&client).await;
    assert_eq!((client.client.status().device, service.count(Route::Bootstrap)), (usual, 2));
    assert_eq!(client.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f77_a_device_keeps_its_token_when_the_keychain_is_unlocked_during_an_outage() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.fail_always(&KeychainError::Locked);
    service.once(Route::Bootstrap, Say::error("device_key_mismatch"));
    let client = setup.start().await;
    setup.store.heal();
    service.always(Route::Bootstrap, Say::cut());
    client.client.refresher.ask(Reason::Resumed).await.unwrap();
    service.wait_for(Route::Bootstrap, 3).await;
    assert_eq!(client.client.status().device, ids().keyless());
    assert_eq!(client.messages("hello").await.status, 200);
    service.heal(Route::Bootstrap);
    until_it_is_used(&client).await;
    assert_eq!(client.client.status().device, ids().usual);
}

#[tokio::test]
async fn f78_a_start_waits_for_a_slow_keychain() {
    let service = FakeService::start().await;
    let limits = KeychainLimits { read: Duration::ZERO, write: Duration::ZERO };
    let setup = Setup { limits, ..Setup::new(&service.url) };
    setup.store.block();
    let starting = setup.clone();
    let starting = tokio::spawn(async move { starting.start().await });
    service.wait_for(Route::Health, 1).await;
    setup.store.heal();
    let client = starting.await.unwrap();
    assert_eq!(client.client.status().storage, Storage::Keychain);
    assert!(client.events.errors().is_empty() && setup.store.entry(TOKEN).is_some());
}

#[tokio::test]
async fn f78_a_keychain_that_is_too_slow_is_told_as_such_and_gets_the_token_later() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url).with("startupTimeoutMs", 4500);
    setup.store.block();
    let client = setup.start().await;
    assert_eq!(client.client.status().storage, Storage::Memory);
    let error = client.client.status().last_error.unwrap();
    assert!(error.to_string().contains("did not answer within"), "{error}");
    setup.store.heal();
    until_it_is_used(&client).await;
    assert!(setup.store.entry(TOKEN).is_some());
    assert_eq!((client.client.status().device, service.tokens_asked()), (ids().usual, 1));
}
