//! The real keychain of a Linux desktop: gnome-keyring, started here on a bus and in a home of its own.
//!
//! A bus is found through the environment, which belongs to the process: so each test runs this test binary once more, under
//! `dbus-run-session`, with [`BODY`] naming the test to run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::client::keyring_daemon::{Bus, Daemon, dbus_send};
use valetkey::client::keychain::{Keychain, KeychainError, KeychainLimits, OsStore, SecretStore};

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

fn lock() {
    let locked = dbus_send(&[
        "/org/freedesktop/secrets",
        "org.freedesktop.Secret.Service.Lock",
        "array:objpath:/org/freedesktop/secrets/collection/login",
    ]);
    assert!(locked, "the collection is locked");
}
