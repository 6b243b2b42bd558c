//! The keychain may be locked, absent, slow or full of invalid values; by default the app works all the same.

use std::time::{Duration, Instant};

use valetkey::client::error::ClientError;
use valetkey::client::keychain::KeychainError;
use valetkey::client::refresh::Reason;
use valetkey::client::status::{ClientState, Level, Storage};

use testkit::client::fake_service::{FakeService, Route};
use testkit::client::keychain::Op;
use testkit::client::{Events, Setup, TestClient};

const TOKEN: &str = "wrapper-token";

fn absent() -> KeychainError {
    KeychainError::Unavailable("no session bus".into())
}

/// What can be wrong with a keychain, and the code that tells it.
fn faults() -> [(KeychainError, &'static str); 5] {
    [
        (absent(), "VALET_KEYCHAIN_UNAVAILABLE"),
        (KeychainError::Locked, "VALET_KEYCHAIN_LOCKED"),
        (KeychainError::Busy, "VALET_KEYCHAIN_TIMEOUT"),
        (KeychainError::Denied, "VALET_KEYCHAIN_DENIED"),
        (KeychainError::TooLong, "VALET_KEYCHAIN_TOO_SMALL"),
    ]
}

/// Lets the client look at its clock again and again, each time a minute later.
async fn pass_minutes(client: &TestClient) {
    for _ in 0..5 {
        client.clock.advance(Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn keychain_only(setup: Setup) -> Setup {
    setup.with("storage", "keychain")
}

#[tokio::test]
async fn f43_f44_a_token_without_a_usable_keychain_stays_in_memory_and_the_app_is_told() {
    for (error, code) in faults() {
        let service = FakeService::start().await;
        let setup = Setup::new(&service.url);
        setup.store.fail_always(&error);
        let client = setup.start().await;
        let told = client.events.statuses();
        assert!(
            told.iter().any(|status| status.storage == Storage::Memory && status.state == ClientState::Ready),
            "{told:?}"
        );
        assert_eq!(client.messages("hello").await.status, 200);
        assert_eq!(service.count(Route::Bootstrap), 1);
        assert_eq!(client.client.status().last_error.unwrap().code(), code);
        let codes: Vec<_> = client.events.errors().iter().map(|error| error.code()).collect();
        assert_eq!(codes, [code]);
    }
}

#[tokio::test]
async fn f44_an_unanswered_prompt_delays_a_start_by_two_thirds_of_its_limit_at_most() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url).with("startupTimeoutMs", 4500);
    setup.store.block();
    let client = setup.start().await;
    assert_eq!(client.client.status().storage, Storage::Memory);
    assert_eq!(client.messages("hello").await.status, 200);
    let closing = Instant::now();
    client.client.close(Duration::from_secs(5)).await;
    assert!(closing.elapsed() < Duration::from_secs(1));
    setup.store.heal();
}

#[tokio::test]
async fn f44_the_next_token_after_an_unlock_is_stored_again() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.fail_always(&KeychainError::Locked);
    let client = setup.start().await;
    setup.store.heal();
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    client.wait_for("the keychain", |status| status.storage == Storage::Keychain).await;
    assert!(setup.store.entry(TOKEN).is_some());
}

#[tokio::test]
async fn an_app_that_requires_the_keychain_gets_its_error() {
    let service = FakeService::start().await;
    for (error, code) in faults() {
        let setup = keychain_only(Setup::new(&service.url));
        setup.store.fail_always(&error);
        assert_eq!(setup.refusal().await.code(), code);
    }
    let setup = keychain_only(Setup::new(&service.url)).with("startupTimeoutMs", 4500);
    setup.store.block();
    let late = setup.refusal().await;
    assert!(matches!(late, ClientError::KeychainTimeout(_)) && late.code() == "VALET_KEYCHAIN_TIMEOUT", "{late}");
    setup.store.heal();
    assert_eq!(service.count(Route::Bootstrap), 0);
}

#[tokio::test]
async fn an_app_that_requires_the_keychain_does_not_start_when_writes_fail() {
    let service = FakeService::start().await;
    let setup = keychain_only(Setup::new(&service.url));
    setup.store.fail_each(Op::Set, KeychainError::TooLong);
    assert_eq!(setup.refusal().await.code(), "VALET_KEYCHAIN_TOO_SMALL");
    setup.store.heal();
    setup.store.keep_nothing();
    assert_eq!(setup.refusal().await.code(), "VALET_KEYCHAIN_UNAVAILABLE");
}

#[tokio::test]
async fn f99_a_keychain_that_is_too_small_for_the_token_holds_the_key_and_is_tried_with_the_next_token_only() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.take_at_most(200);
    let client = setup.start().await;
    let status = client.client.status();
    assert_eq!((status.storage, status.state), (Storage::Memory, ClientState::Ready));
    assert_eq!(status.last_error.unwrap().code(), "VALET_KEYCHAIN_TOO_SMALL");
    assert!(setup.store.entry("device-key").is_some() && setup.store.entry(TOKEN).is_none());
    let writes = setup.store.calls(Op::Set);
    pass_minutes(&client).await;
    assert_eq!((setup.store.calls(Op::Set), client.events.errors().len()), (writes, 1));
    setup.store.heal();
    client.clock.advance(Duration::from_secs(23 * 3600));
    client.wait_for("the keychain", |status| status.storage == Storage::Keychain).await;
    assert!(setup.store.entry(TOKEN).is_some() && client.client.status().last_error.is_none());
}

#[tokio::test]
async fn f99_a_keychain_that_was_denied_is_asked_again_when_the_app_refreshes_and_not_by_the_clock() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.fail_always(&KeychainError::Denied);
    let client = setup.start().await;
    let calls = setup.store.calls(Op::Get);
    pass_minutes(&client).await;
    assert_eq!(setup.store.calls(Op::Get), calls);
    setup.store.heal();
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    client.wait_for("the keychain", |status| status.storage == Storage::Keychain).await;
    assert!(client.client.status().last_error.is_none());
}

#[tokio::test]
async fn f99_a_value_of_another_program_costs_one_token_and_is_told_in_the_log_alone() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.put(TOKEN, b"canary of another program");
    setup.store.put("device-key", b"canary of another program");
    let client = setup.start().await;
    assert_eq!(client.client.status().storage, Storage::Keychain);
    assert!(client.events.errors().is_empty() && client.client.status().last_error.is_none());
    let warnings: Vec<_> = client.events.logs().into_iter().filter(|(level, _)| *level == Level::Warn).collect();
    assert!(warnings.iter().any(|(_, line)| line.contains("another program")), "{warnings:?}");
    assert!(warnings.iter().any(|(_, line)| line.contains("key in the keychain is damaged")), "{warnings:?}");
    assert!(warnings.iter().all(|(_, line)| !line.contains("canary")), "{warnings:?}");
    assert_eq!((client.messages("hello").await.status, service.count(Route::Bootstrap)), (200, 1));
}

#[tokio::test]
async fn a_client_with_the_memory_policy_never_uses_the_keychain() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url).with("storage", "memory");
    setup.start().await;
    assert_eq!([Op::Get, Op::Set, Op::Delete].map(|op| setup.store.calls(op)), [0, 0, 0]);
}

#[tokio::test]
async fn f45_an_invalid_stored_token_is_removed_and_costs_one_bootstrap() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await.client.close(Duration::from_secs(1)).await;
    let kept: serde_json::Value = serde_json::from_slice(&setup.store.entry(TOKEN).unwrap()).unwrap();
    let changed = |field: &str, value: serde_json::Value| {
        let mut changed = kept.clone();
        changed[field] = value;
        changed.to_string().into_bytes()
    };
    let tomorrow = kept["received_at"].as_u64().unwrap() + 86_400;
    let rubbish = [
        b"\xff\xfe rubbish".to_vec(),
        Vec::new(),
        b"{}".to_vec(),
        b"sk-ant-proxy-a.b.c".to_vec(),
        changed("version", 2.into()),
        changed("device_id", "another-device".into()),
        changed("bootstrap_url", "https://other.example/bootstrap".into()),
        changed("received_at", tomorrow.into()),
        changed("received_at", u64::MAX.into()),
        changed("base_url", "http://claude.example".into()),
        changed("token", "a\r\nb".into()),
        changed("new_field", 1.into()),
    ];
    for value in rubbish {
        let before = service.count(Route::Bootstrap);
        setup.store.put(TOKEN, &value);
        let client = setup.start().await;
        assert_eq!(service.count(Route::Bootstrap), before + 1, "{}", String::from_utf8_lossy(&value));
        assert_eq!(client.messages("hello").await.status, 200);
        assert_ne!(setup.store.entry(TOKEN).unwrap(), value);
    }
}

#[tokio::test]
async fn f45_an_invalid_stored_token_is_removed_even_when_bootstrap_is_refused() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.store.put(TOKEN, b"rubbish");
    service.always(Route::Bootstrap, testkit::client::fake_service::Say::error("bootstrap_closed"));
    setup.refusal().await;
    assert_eq!(setup.store.entry(TOKEN), None);
}

#[tokio::test]
async fn a_stored_token_with_the_largest_lifetime_does_not_panic() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    setup.start().await.client.close(Duration::from_secs(1)).await;
    let mut kept: serde_json::Value = serde_json::from_slice(&setup.store.entry(TOKEN).unwrap()).unwrap();
    (kept["lifetime"], kept["refresh_in"]) = (u64::MAX.into(), u64::MAX.into());
    setup.store.put(TOKEN, kept.to_string().as_bytes());
    assert_eq!(setup.start().await.messages("hello").await.status, 200);
}

#[tokio::test]
async fn f46_a_token_that_cannot_be_stored_after_a_refresh_stays_in_memory() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let client = setup.start().await;
    assert_eq!(client.client.status().storage, Storage::Keychain);
    setup.store.fail_next(Op::Set, KeychainError::Locked);
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    client.wait_for("memory", |status| status.storage == Storage::Memory).await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!(service.seen(Route::V1)[0].header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-2"));
}

#[tokio::test]
async fn f44_a_write_that_hangs_does_not_delay_requests() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let client = setup.start().await;
    setup.store.block();
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!(client.messages("hello").await.status, 200);
    client.wait_for("memory", |status| status.storage == Storage::Memory).await;
    setup.store.heal();
}

#[tokio::test]
async fn events_show_neither_token_nor_launch_key_and_the_launch_key_is_not_stored() {
    let service = FakeService::start().await;
    let setup = Setup::new(&service.url);
    let events = Events::default();
    let client = setup.start_into(events.clone()).await.unwrap();
    let told = format!("{:?}", events.all());
    assert!(!told.contains("canary-wrapper") && !told.contains(&client.key()), "{told}");
    let kept = String::from_utf8(setup.store.entry(TOKEN).unwrap()).unwrap();
    assert!(kept.contains("canary-wrapper-1") && !kept.contains(&client.key()));
}
