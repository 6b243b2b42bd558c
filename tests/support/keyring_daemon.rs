//! A gnome-keyring-daemon on the bus of this process.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Unlocked with the password `test`; ends when dropped.
pub struct Daemon(Child);

impl Daemon {
    /// Starts it and waits until its collection is open.
    pub fn start() -> Self {
        let mut child = Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"test").unwrap();
        let daemon = Self(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        // Asked by name it would be started a second time by the bus itself.
        while !(owns_its_name() && dbus_send(&IS_LOCKED)) {
            assert!(Instant::now() < deadline, "gnome-keyring does not come up");
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn owns_its_name() -> bool {
    let question = ["/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"];
    let answer = Command::new("dbus-send")
        .args(["--session", "--print-reply", "--dest=org.freedesktop.DBus"])
        .args(question)
        .stderr(Stdio::null())
        .output();
    answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains("boolean true"))
}

const IS_LOCKED: [&str; 4] = [
    "/org/freedesktop/secrets/collection/login",
    "org.freedesktop.DBus.Properties.Get",
    "string:org.freedesktop.Secret.Collection",
    "string:Locked",
];

/// Calls the Secret Service; whether it answered.
pub fn dbus_send(call: &[&str]) -> bool {
    let status = Command::new("dbus-send")
        .args(["--session", "--print-reply", "--dest=org.freedesktop.secrets"])
        .args(call)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
