//! Several processes of one app: each has a client of its own, and they share the keychain and the folder of the lock.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::Notify;
use valetkey::client::refresh::Reason;
use valetkey::client::renewal_lock::RenewalLock;
use valetkey::client::status::{Level, Storage};

use testkit::client::fake_service::{FakeService, Route, Say};
use testkit::client::keychain::Op;
use testkit::client::{Setup, TestClient, no_machine};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const APP: &str = "com.example.test";
const PROCESSES: usize = 50;

/// A set-up whose clients take turns by a lock in `folder`.
fn sharing(service: &FakeService, folder: &TempDir) -> Setup {
    Setup { lock_folder: Some(folder.path().join("valetkey")), ..Setup::new(&service.url) }
}

async fn start_at_once(setup: &Setup, count: usize) -> Vec<TestClient> {
    let starts: Vec<_> = (0..count)
        .map(|_| {
            let setup = setup.clone();
            tokio::spawn(async move { setup.start().await })
        })
        .collect();
    let mut clients = Vec::new();
    for start in starts {
        clients.push(start.await.unwrap());
    }
    clients
}

/// The number of the token with which each client's request is sent. All requests must succeed.
async fn tokens_in_use(service: &FakeService, clients: &[TestClient]) -> Vec<String> {
    let before = service.count(Route::V1);
    for client in clients {
        assert_eq!(client.messages("hello").await.status, 200);
    }
    let token = |seen: &str| seen.rsplit('-').next().unwrap().to_owned();
    let seen = service.seen(Route::V1).split_off(before);
    seen.iter().map(|seen| token(seen.header("authorization").unwrap())).collect()
}

#[tokio::test]
async fn f50_f98_fifty_processes_that_start_with_one_expired_token_cost_one_renewal_and_all_work() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder);
    setup.start().await.client.close(SECOND).await;
    setup.clock.advance(25 * HOUR);
    let clients = start_at_once(&setup, PROCESSES).await;
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::Refresh)), (2, 0));
    assert_eq!(tokens_in_use(&service, &clients).await, vec!["2"; PROCESSES]);
    assert!(clients.iter().all(|client| client.client.status().storage == Storage::Keychain));
}

#[tokio::test]
async fn f98_fifty_processes_that_start_with_an_empty_keychain_are_one_device_with_one_key_and_one_token() {
    for machine_id in [testkit::client::some_machine, no_machine] {
        let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
        let setup = Setup { machine_id, ..sharing(&service, &folder) };
        let clients = start_at_once(&setup, PROCESSES).await;
        assert_eq!(service.tokens_asked(), 1);
        assert_eq!(tokens_in_use(&service, &clients).await, vec!["1"; PROCESSES]);
        let device = clients[0].client.status().device;
        assert!(clients.iter().all(|client| client.client.status().device == device));
    }
}

#[tokio::test]
async fn f50_f98_running_processes_whose_token_is_due_cost_one_refresh() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder);
    let clients = start_at_once(&setup, 10).await;
    setup.clock.advance(23 * HOUR);
    let looks = clients.iter().map(|client| {
        let refresher = client.client.refresher.clone();
        tokio::spawn(async move { refresher.ask(Reason::Resumed).await })
    });
    for look in looks.collect::<Vec<_>>() {
        look.await.unwrap().unwrap();
    }
    assert_eq!((service.count(Route::Bootstrap), service.count(Route::Refresh)), (1, 1));
    assert_eq!(tokens_in_use(&service, &clients).await, vec!["2"; 10]);
    let lines = clients.iter().flat_map(|client| client.events.logs());
    assert_eq!(lines.filter(|(_, line)| line.contains("Another process")).count(), 9);
}

#[tokio::test]
async fn f98_a_rejected_token_is_replaced_by_that_of_another_process_and_by_a_new_one_if_that_is_rejected_too() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder);
    let [first, second] = &start_at_once(&setup, 2).await[..] else { panic!("two clients") };
    service.expire_tokens();
    for client in [first, second] {
        assert_eq!(client.messages("hello").await.status, 200);
    }
    assert_eq!(service.tokens_asked(), 2);
    // The second one has the token before the stored one, and the service rejects both.
    first.client.refresher.ask(Reason::Forced).await.unwrap();
    service.expire_tokens();
    assert_eq!(second.messages("hello").await.status, 200);
    assert_eq!((service.tokens_asked(), service.count(Route::Refresh)), (4, 1));
}

#[tokio::test]
async fn f117_a_process_that_takes_over_a_token_sends_its_requests_where_the_service_has_moved() {
    let (service, moved, folder) =
        (FakeService::start().await, FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder);
    let [first, second] = &start_at_once(&setup, 2).await[..] else { panic!("two clients") };
    moved.is_region_for("");
    service.name_base_url(&moved.url);
    first.client.refresher.ask(Reason::Forced).await.unwrap();
    // The service takes no token at its former address any more.
    service.expire_tokens();
    assert_eq!(second.messages("hello").await.status, 200);
    assert_eq!((service.tokens_asked(), moved.count(Route::V1)), (2, 1));
    assert_eq!(second.client.status().service, moved.url);
}

#[tokio::test]
async fn f98_an_app_that_asks_for_a_new_token_gets_one_though_another_process_has_just_got_one() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let clients = start_at_once(&sharing(&service, &folder), 2).await;
    for client in &clients {
        client.client.refresher.ask(Reason::Forced).await.unwrap();
    }
    assert_eq!(
        (service.count(Route::Refresh), tokens_in_use(&service, &clients).await),
        (2, vec!["2".into(), "3".into()])
    );
}

#[tokio::test]
async fn f98_a_request_uses_the_new_token_while_the_process_has_its_turn_until_the_token_is_stored() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder);
    let client = setup.start().await;
    setup.store.block();
    client.client.refresher.ask(Reason::Forced).await.unwrap();
    assert_eq!(client.messages("hello").await.status, 200);
    assert_eq!(service.seen(Route::V1)[0].header("authorization"), Some("Bearer sk-ant-proxy-canary-wrapper-2"));
    let other = RenewalLock::new(setup.lock_folder.as_deref(), APP, Duration::ZERO);
    assert!(other.take().await.is_err(), "the token is not stored yet");
    setup.store.heal();
    let patient = RenewalLock::new(setup.lock_folder.as_deref(), APP, 10 * SECOND);
    patient.take().await.unwrap();
    assert!(String::from_utf8(setup.store.entry("wrapper-token").unwrap()).unwrap().contains("canary-wrapper-2"));
}

#[tokio::test]
async fn f98_a_process_whose_turn_does_not_come_goes_on_by_itself() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder).with("startupTimeoutMs", 4500);
    let held = RenewalLock::new(setup.lock_folder.as_deref(), APP, Duration::ZERO).take().await.unwrap();
    let client = setup.start().await;
    assert_eq!(client.messages("hello").await.status, 200);
    assert!(client.events.logs().iter().any(|(level, line)| *level == Level::Info && line.contains("has held it")));
    assert_eq!(client.client.status().storage, Storage::Keychain);
    drop(held);
}

#[tokio::test]
async fn f118_a_start_that_has_waited_for_its_turn_has_as_much_time_for_the_keychain() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    // The keychain has 3 s, a turn is waited for 2.25 s.
    let setup = sharing(&service, &folder).with("startupTimeoutMs", 4500);
    let held = RenewalLock::new(setup.lock_folder.as_deref(), APP, Duration::ZERO).take().await.unwrap();
    let gate = Arc::new(Notify::new());
    service.once(Route::Health, Say::json(200, r#"{"status":"ok"}"#).after(&gate));
    let starting = tokio::spawn({
        let setup = setup.clone();
        async move { setup.start().await }
    });
    service.wait_for(Route::Health, 1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(1200)).await;
    tokio::time::resume();
    gate.notify_one();
    let client = starting.await.unwrap();
    assert_eq!(client.client.status().storage, Storage::Keychain);
    assert!(setup.store.entry("device-key").is_some() && client.events.errors().is_empty());
    drop(held);
}

#[tokio::test]
async fn f119_a_token_for_a_tool_is_stored_before_the_tool_has_it() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder);
    let client = setup.start().await;
    let writes = setup.store.calls(Op::Set);
    setup.store.block_each(Op::Set);
    setup.clock.advance(23 * HOUR);
    let mut asking = pin!(client.client.token_for_tool());
    let writing = async {
        while setup.store.calls(Op::Set) == writes {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = asking.as_mut() => panic!("the token is not stored yet"),
        () = writing => {}
    }
    setup.store.heal();
    assert_eq!(asking.await.unwrap().token.expose(), "canary-wrapper-2");
    assert!(String::from_utf8(setup.store.entry("wrapper-token").unwrap()).unwrap().contains("canary-wrapper-2"));
}

#[tokio::test]
async fn f98_an_end_waits_neither_for_a_turn_nor_for_the_keychain() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder);
    let client = setup.start().await;
    let held = RenewalLock::new(setup.lock_folder.as_deref(), APP, SECOND).take().await.unwrap();
    setup.store.block();
    let refresher = client.client.refresher.clone();
    let asked = tokio::spawn(async move { refresher.ask(Reason::Forced).await });
    let refreshing =
        |status: &valetkey::client::status::Status| status.state == valetkey::client::status::ClientState::Refreshing;
    client.wait_for("the attempt", refreshing).await;
    let began = Instant::now();
    client.client.close(5 * SECOND).await;
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    drop(held);
    assert_eq!(asked.await.unwrap().unwrap_err().code(), "VALET_CLOSED");
    assert!(service.count(Route::Refresh) == 0 && client.events.errors().is_empty());
    setup.store.heal();
}

/// A process that holds the lock. It is killed, by SIGKILL where there are signals, when this is dropped.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Names the folder in which this process is to hold the lock; unset in the process that the user started.
const HOLDER: &str = "VALETKEY_TEST_LOCK";

#[tokio::test]
async fn f98_a_process_that_dies_in_its_turn_leaves_no_lock_behind() {
    if let Some(folder) = std::env::var_os(HOLDER) {
        let _held = RenewalLock::new(Some(Path::new(&folder)), APP, SECOND).take().await.unwrap();
        println!("held");
        return std::future::pending().await;
    }
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder);
    let name = "processes::f98_a_process_that_dies_in_its_turn_leaves_no_lock_behind";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(HOLDER, setup.lock_folder.as_ref().unwrap());
    let mut holder = Holder(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(holder.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("held")));
    let starting = tokio::spawn({
        let setup = setup.clone();
        async move { setup.start().await }
    });
    service.wait_for(Route::Health, 1).await;
    assert_eq!(service.count(Route::Bootstrap), 0);
    drop(holder);
    let client = starting.await.unwrap();
    assert_eq!(client.messages("hello").await.status, 200);
    assert!(client.events.logs().iter().all(|(_, line)| !line.contains("without the lock")), "it got its turn");
}

#[tokio::test]
async fn f98_processes_with_their_tokens_in_memory_take_no_turns() {
    let (service, folder) = (FakeService::start().await, tempfile::tempdir().unwrap());
    let setup = sharing(&service, &folder).with("storage", "memory");
    let gate = Arc::new(Notify::new());
    service.once(Route::Bootstrap, Say::token().after(&gate));
    let waiting = tokio::spawn({
        let setup = setup.clone();
        async move { setup.start().await }
    });
    service.wait_for(Route::Bootstrap, 1).await;
    setup.start().await;
    gate.notify_one();
    waiting.await.unwrap();
    assert_eq!((service.count(Route::Bootstrap), setup.store.calls(Op::Get)), (2, 0));
}
