//! The real keychain of a Linux desktop: gnome-keyring, started here on a bus and in a home of its own.
//!
//! A bus is found through the environment, which belongs to the process: so each test runs this test binary once more, under
//! `dbus-run-session`, with [`BODY`] naming the test to run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::client::fake_service::FakeService;
use testkit::client::keyring_daemon::{Bus, Daemon, dbus_send, dismiss_prompt};
use testkit::client::{Events, Setup};
use valetkey::client::keychain::{Keychain, KeychainError, KeychainLimits, OsStore, SecretStore};
use valetkey::client::refresh::Reason;
use valetkey::client::status::{ClientState, Storage};

/// Names the test body that this process is to run; unset in the process that the user started.
const BODY: &str = "VALETKEY_TEST_BODY";

/// An empty home, removed at the end.
struct Home(PathBuf);

impl Home {
    /// Its name is short: a socket's path may have about a hundred characters.
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        use std::os::unix::fs::DirBuilderExt;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("valetkey-test-{}-{count}", std::process::id()));
        for directory in ["share", "run"] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(home.join(directory)).unwrap();
        }
        Self(home)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `body` in a process with the environment of a fresh desktop session, started by `wrapper`.
fn in_session(name: &str, wrapper: &[&str], body: fn()) {
    if std::env::var(BODY).as_deref() == Ok(name) {
        return body();
    }
    let needed =
        [&["gnome-keyring-daemon", "dbus-run-session", "dbus-send"][..], &wrapper[..wrapper.len().min(1)]].concat();
    if let Some(missing) = needed.iter().find(|program| !is_installed(program)) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing} is not installed, and this is CI");
        println!("skipped: {missing} is not installed");
        return;
    }
    let home = Home::new();
    let output = session(name, wrapper, &home.0).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

fn session(name: &str, wrapper: &[&str], home: &Path) -> Command {
    let own = std::env::current_exe().unwrap();
    let test = format!("secret_service::{name}");
    let line = [own.to_str().unwrap(), "--exact", &test, "--nocapture"];
    let line = [wrapper, &line[..]].concat();
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).env(BODY, name).env("HOME", home).stdin(Stdio::null());
    command.env("XDG_DATA_HOME", home.join("share")).env("XDG_RUNTIME_DIR", home.join("run"));
    for inherited in ["DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "GNOME_KEYRING_CONTROL"] {
        command.env_remove(inherited);
    }
    command
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_value_is_stored_read_replaced_and_removed() {
    in_session("a_value_is_stored_read_replaced_and_removed", &["dbus-run-session", "--"], || {
        let _daemon = Daemon::start();
        let mut store = OsStore::new("com.example.test");
        assert_eq!(store.get("wrapper-token"), Ok(None));
        assert_eq!(store.delete("wrapper-token"), Ok(()));
        let long: Vec<u8> = (b' '..=b'~').cycle().take(4000).collect();
        for value in [&b"short"[..], &long, b"\0\xff binary", b""] {
            store.set("wrapper-token", value).unwrap();
            assert_eq!(store.get("wrapper-token").unwrap().unwrap().as_slice(), value);
            assert_eq!(OsStore::new("com.example.test").get("wrapper-token").unwrap().unwrap().as_slice(), value);
        }
        assert_eq!(store.get("device-id"), Ok(None));
        assert_eq!(OsStore::new("com.example.other").get("wrapper-token"), Ok(None));
        store.delete("wrapper-token").unwrap();
        assert_eq!(store.get("wrapper-token"), Ok(None));
    });
}

#[test]
fn f44_a_locked_keyring_without_a_display_fails_quickly() {
    in_session("f44_a_locked_keyring_without_a_display_fails_quickly", &["dbus-run-session", "--"], || {
        let _daemon = Daemon::start();
        let mut store = OsStore::new("com.example.test");
        store.set("wrapper-token", b"value").unwrap();
        lock();
        let started = Instant::now();
        assert_eq!(store.get("wrapper-token"), Err(KeychainError::Locked));
        assert_eq!(store.set("wrapper-token", b"other"), Err(KeychainError::Locked));
        assert_eq!(OsStore::new("com.example.test").get("wrapper-token"), Err(KeychainError::Locked));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    });
}

#[test]
fn a_keyring_that_was_restarted_is_found_again() {
    in_session("a_keyring_that_was_restarted_is_found_again", &["dbus-run-session", "--"], || {
        let daemon = Daemon::start();
        let mut store = OsStore::new("com.example.test");
        store.set("wrapper-token", b"value").unwrap();
        drop(daemon);
        let _daemon = Daemon::start();
        assert_eq!(store.get("wrapper-token").unwrap().unwrap().as_slice(), b"value");
        store.set("wrapper-token", b"newer").unwrap();
        assert_eq!(store.get("wrapper-token").unwrap().unwrap().as_slice(), b"newer");
    });
}

#[test]
fn f43_the_keychain_is_unavailable_without_a_bus_and_found_once_a_bus_runs() {
    in_session("f43_the_keychain_is_unavailable_without_a_bus_and_found_once_a_bus_runs", &[], || {
        let mut store = OsStore::new("com.example.test");
        let started = Instant::now();
        for _ in 0..2 {
            let answer = store.get("wrapper-token");
            assert!(matches!(answer, Err(KeychainError::Unavailable(_))), "{answer:?}");
            let answer = store.set("wrapper-token", b"value");
            assert!(matches!(answer, Err(KeychainError::Unavailable(_))), "{answer:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(3));
        let _bus = Bus::start();
        let _daemon = Daemon::start();
        store.set("wrapper-token", b"value").unwrap();
        assert_eq!(store.get("wrapper-token").unwrap().unwrap().as_slice(), b"value");
    });
}

#[test]
fn f44_a_prompt_on_a_display_is_given_up_at_the_deadline() {
    let wrapper = ["xvfb-run", "-a", "dbus-run-session", "--"];
    in_session("f44_a_prompt_on_a_display_is_given_up_at_the_deadline", &wrapper, || {
        let _daemon = Daemon::start();
        let mut store = OsStore::new("com.example.test");
        store.set("wrapper-token", b"value").unwrap();
        lock();
        let limits = KeychainLimits { read: Duration::from_millis(700), write: Duration::from_secs(5) };
        let keychain = Keychain::start(Box::new(store), limits).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let started = Instant::now();
            assert_eq!(keychain.get("wrapper-token".into()).await, Err(KeychainError::Late(limits.read)));
            assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
            let started = Instant::now();
            let again = keychain.get("wrapper-token".into()).await;
            assert!(
                matches!(again, Err(KeychainError::Busy | KeychainError::Locked | KeychainError::Late(_))),
                "{again:?}"
            );
            assert!(started.elapsed() < Duration::from_secs(2));
        });
        let started = Instant::now();
        drop(runtime);
        assert!(started.elapsed() < Duration::from_secs(1), "the stuck call delays the end");
    });
}

#[test]
fn f99_a_prompt_that_is_dismissed_is_a_denial() {
    let wrapper = ["xvfb-run", "-a", "dbus-run-session", "--"];
    in_session("f99_a_prompt_that_is_dismissed_is_a_denial", &wrapper, || {
        let _daemon = Daemon::start();
        let mut store = OsStore::new("com.example.test");
        store.set("wrapper-token", b"value").unwrap();
        lock();
        let person = std::thread::spawn(|| {
            // A prompt that ends within a second counts as one that nobody could show.
            std::thread::sleep(Duration::from_millis(1500));
            dismiss_prompt();
        });
        assert_eq!(store.get("wrapper-token"), Err(KeychainError::Denied));
        person.join().unwrap();
    });
}

#[test]
fn f99_a_keyring_that_answers_nothing_is_given_up_at_the_deadline_and_used_again_once_it_answers() {
    let name = "f99_a_keyring_that_answers_nothing_is_given_up_at_the_deadline_and_used_again_once_it_answers";
    in_session(name, &["dbus-run-session", "--"], || {
        let daemon = Daemon::start();
        let mut store = OsStore::new("com.example.test");
        store.set("wrapper-token", b"value").unwrap();
        daemon.stop();
        let limits = KeychainLimits { read: Duration::from_millis(300), write: Duration::from_millis(300) };
        let keychain = Keychain::start(Box::new(store), limits).unwrap();
        in_runtime(async {
            let get = || keychain.get("wrapper-token".into());
            assert_eq!(get().await, Err(KeychainError::Late(limits.read)));
            let began = Instant::now();
            assert_eq!(get().await, Err(KeychainError::Busy));
            assert!(began.elapsed() < limits.read, "a call after one that is stuck fails at once");
            daemon.go_on();
            let began = Instant::now();
            let value = loop {
                assert!(began.elapsed() < Duration::from_secs(10), "the keyring is not used again");
                match get().await {
                    Err(KeychainError::Busy | KeychainError::Late(_)) => tokio::task::yield_now().await,
                    answer => break answer,
                }
            };
            assert_eq!(value.unwrap().unwrap().as_slice(), b"value");
        });
    });
}

#[test]
fn f99_a_client_starts_within_its_limit_while_the_keyring_answers_nothing_and_stores_its_token_once_it_answers() {
    let name =
        "f99_a_client_starts_within_its_limit_while_the_keyring_answers_nothing_and_stores_its_token_once_it_answers";
    in_session(name, &["dbus-run-session", "--"], || {
        let daemon = Daemon::start();
        daemon.stop();
        in_runtime(async {
            let service = FakeService::start().await;
            let setup = Setup::new(&service.url).with("startupTimeoutMs", 3000);
            let store = || Box::new(OsStore::new("com.example.test"));
            let began = Instant::now();
            let client = setup.start_with(store(), Events::default()).await.unwrap();
            assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
            let status = client.client.status();
            assert_eq!((status.state, status.storage), (ClientState::Ready, Storage::Memory));
            assert_eq!(status.last_error.unwrap().code(), "VALET_KEYCHAIN_TIMEOUT");
            assert_eq!(client.messages("hello").await.status, 200);
            daemon.go_on();
            let began = Instant::now();
            while client.client.status().storage == Storage::Memory {
                assert!(began.elapsed() < Duration::from_secs(10), "{:?}", client.client.status());
                client.client.refresher.ask(Reason::Resumed).await.unwrap();
            }
            // The next start finds the token.
            setup.start_with(store(), Events::default()).await.unwrap();
            assert_eq!(service.tokens_asked(), 1);
            daemon.stop();
            client.client.refresher.ask(Reason::Forced).await.unwrap();
            let began = Instant::now();
            client.client.close(Duration::from_secs(5)).await;
            assert!(began.elapsed() < Duration::from_secs(1), "the end waits for the keyring");
        });
    });
}

#[test]
fn f99_a_value_of_another_program_under_the_same_name_is_replaced() {
    let name = "f99_a_value_of_another_program_under_the_same_name_is_replaced";
    in_session(name, &["dbus-run-session", "--"], || {
        let _daemon = Daemon::start();
        let mut store = OsStore::new("com.example.test");
        store.set("wrapper-token", b"\0 not a token").unwrap();
        in_runtime(async {
            let service = FakeService::start().await;
            let setup = Setup::new(&service.url);
            let client = setup.start_with(Box::new(OsStore::new("com.example.test")), Events::default()).await.unwrap();
            assert_eq!((client.client.status().storage, service.tokens_asked()), (Storage::Keychain, 1));
        });
        let kept = store.get("wrapper-token").unwrap().unwrap();
        assert!(kept.starts_with(b"{\"version\":1,"));
    });
}

fn in_runtime(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work);
    // As in the addon, nothing waits for a call that is stuck.
    runtime.shutdown_background();
}

fn lock() {
    let locked = dbus_send(&[
        "/org/freedesktop/secrets",
        "org.freedesktop.Secret.Service.Lock",
        "array:objpath:/org/freedesktop/secrets/collection/login",
    ]);
    assert!(locked, "the collection is locked");
}
