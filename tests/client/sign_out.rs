//! An app that signs out: the keychain holds nothing of it any more, and nothing is stored later.

use std::sync::Arc;

use tokio::sync::Notify;
use valetkey::client::keychain::KeychainError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::ClientState;

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::keychain::{FakeStore, Op};
use testkit::client::{Setup, no_machine};

const ENTRIES: [&str; 3] = ["wrapper-token", "device-key", "device-id"];

fn kept(store: &FakeStore) -> Vec<&'static str> {
    ENTRIES.into_iter().filter(|entry| store.entry(entry).is_some()).collect()
}

#[tokio::test]
async fn signing_out_closes_the_client_and_removes_all_that_the_keychain_holds() {
    let service = FakeService::start().await;
    let setup = Setup { machine_id: no_machine, ..Setup::new(&service.url) };
    let client = setup.start().await;
    assert_eq!(kept(&setup.store), ENTRIES);
    client.client.sign_out().await.unwrap();
    assert!(kept(&setup.store).is_empty(), "{:?}", kept(&setup.store));
    assert_eq!((client.client.status().state, client.client.status().bound), (ClientState::Closed, None));
    client.client.sign_out().await.unwrap();
    let next = setup.start().await;
    assert_ne!(next.client.status().device, client.client.status().device);
    assert_eq!((next.messages("hello").await.status, service.count(Route::Bootstrap)), (200, 2));
}

#[tokio::test]
async fn signing_out_with_a_locked_keychain_closes_the_client_and_says_what_is_left() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let client = setup.start().await;
    setup.store.fail_next(Op::Delete, KeychainError::Locked);
    assert_eq!(client.client.sign_out().await.unwrap_err().code(), "VALET_KEYCHAIN_LOCKED");
    assert_eq!((client.client.status().state, kept(&setup.store)), (ClientState::Closed, vec!["wrapper-token"]));
    client.client.sign_out().await.unwrap();
    assert!(kept(&setup.store).is_empty());
}

#[tokio::test]
async fn a_token_that_comes_during_the_sign_out_is_not_stored() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let client = setup.start().await;
    let gate = Arc::new(Notify::new());
    service.once(Route::Refresh, Say::token().after(&gate));
    let refresher = client.client.refresher.clone();
    let refreshing = tokio::spawn(async move { refresher.ask(Reason::Forced).await });
    service.wait_for(Route::Refresh, 1).await;
    client.client.sign_out().await.unwrap();
    let writes = setup.store.calls(Op::Set);
    gate.notify_one();
    refreshing.await.unwrap().unwrap();
    tokio::task::yield_now().await;
    assert_eq!((kept(&setup.store), setup.store.calls(Op::Set)), (vec![], writes));
}

#[tokio::test]
async fn signing_out_with_the_memory_policy_closes_the_client() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url).with("storage", "memory");
    let client = setup.start().await;
    client.client.sign_out().await.unwrap();
    assert_eq!((client.client.status().state, setup.store.calls(Op::Delete)), (ClientState::Closed, 0));
}
