//! A gnome-keyring-daemon on the bus of this process.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A session bus at the default address; ends when dropped.
pub struct Bus(Child);

impl Bus {
    pub fn start() -> Self {
        let address = format!("--address={}", usual_address());
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", &address]).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A daemon, unlocked with the password `test`; ends when dropped.
pub struct Daemon(Child);

impl Daemon {
    /// Starts the daemon once the bus is there, and waits until its collection is open.
    pub fn start() -> Self {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !bus_answers() {
            assert!(Instant::now() < deadline, "no session bus");
        }
        let mut child = on_bus("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"test").unwrap();
        let daemon = Self(child);
        // A call before the daemon owns its name would make the bus start a second daemon.
        while !(owns_its_name() && dbus_send(&IS_LOCKED)) {
            assert!(Instant::now() < deadline, "gnome-keyring does not come up");
        }
        daemon
    }

    /// Stops the daemon, so that it answers nothing and keeps its connections, until [`go_on`](Self::go_on).
    pub fn stop(&self) {
        signal(self.0.id(), Signal::STOP);
    }

    pub fn go_on(&self) {
        signal(self.0.id(), Signal::CONT);
    }
}

/// Ends the program that shows the daemon's prompt, as a person does who dismisses it, once the prompt is shown.
pub fn dismiss_prompt() {
    let deadline = Instant::now() + Duration::from_secs(10);
    let question = ["/", "org.freedesktop.DBus.GetConnectionUnixProcessID", "string:org.gnome.keyring.SystemPrompter"];
    loop {
        let answer = said_by_bus(&question);
        if let Some(id) = answer.rsplit("uint32 ").next().and_then(|id| id.trim().parse().ok()) {
            return signal(id, Signal::TERM);
        }
        assert!(Instant::now() < deadline, "no prompt is shown");
    }
}

fn signal(process: u32, signal: Signal) {
    let id = Pid::from_raw(process.try_into().unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn usual_address() -> String {
    format!("unix:path={}/bus", std::env::var("XDG_RUNTIME_DIR").unwrap())
}

/// A command with the address of the bus, which the client under test finds by itself.
fn on_bus(program: &str) -> Command {
    let mut command = Command::new(program);
    if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() {
        command.env("DBUS_SESSION_BUS_ADDRESS", usual_address());
    }
    command
}

fn bus_answers() -> bool {
    ask_bus("string:org.freedesktop.DBus")
}

fn owns_its_name() -> bool {
    ask_bus("string:org.freedesktop.secrets")
}

/// Whether the name has an owner on the bus.
fn ask_bus(name: &str) -> bool {
    said_by_bus(&["/", "org.freedesktop.DBus.NameHasOwner", name]).contains("boolean true")
}

/// What the bus answers; nothing if it does not.
fn said_by_bus(question: &[&str]) -> String {
    let answer = on_bus("dbus-send")
        .args(["--session", "--print-reply", "--dest=org.freedesktop.DBus"])
        .args(question)
        .stderr(Stdio::null())
        .output();
    answer.map_or_else(|_| String::new(), |answer| String::from_utf8_lossy(&answer.stdout).into_owned())
}

const IS_LOCKED: [&str; 4] = [
    "/org/freedesktop/secrets/collection/login",
    "org.freedesktop.DBus.Properties.Get",
    "string:org.freedesktop.Secret.Collection",
    "string:Locked",
];

/// Calls the Secret Service, and tells whether it answered.
pub fn dbus_send(call: &[&str]) -> bool {
    let status = on_bus("dbus-send")
        .args(["--session", "--print-reply", "--dest=org.freedesktop.secrets"])
        .args(call)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
