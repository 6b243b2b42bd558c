//! A real Redis of a test's own: its own port, its own folder, killed when dropped.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue, RedisResult};
use tempfile::TempDir;
use valetkey::secret::Secret;

/// A running `redis-server`, or one that was killed and may be started again.
pub struct Redis {
    port: u16,
    settings: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
}

impl Redis {
    /// Starts a Redis that keeps nothing on disk. `None`, with a message, where Redis is not installed; in CI that is a
    /// failure.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// As [`Redis::start`], with further arguments.
    pub fn start_with(settings: &[&str]) -> Option<Self> {
        // Another program may take the port in between.
        for _ in 0..10 {
            let mut redis = Self::reserve(settings)?;
            if redis.try_run() {
                return Some(redis);
            }
        }
        panic!("redis-server does not start");
    }

    /// A Redis that does not run yet; its port is known.
    pub fn reserve(settings: &[&str]) -> Option<Self> {
        let version = Command::new(SERVER).arg("--version").stdout(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "redis-server is not installed, and CI has to run these tests");
            // Not `eprintln!`, which is shown for failed tests only.
            let _ = writeln!(std::io::stderr(), "SKIPPED: redis-server is not installed");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let settings = settings.iter().map(ToString::to_string).collect();
        let folder = tempfile::tempdir().expect("the folder for temporary files can be written");
        Some(Self { port, settings, folder, child: None })
    }

    /// Starts the server, empty, and waits until it answers.
    pub fn run(&mut self) {
        assert!(self.try_run(), "redis-server does not start");
    }

    fn try_run(&mut self) -> bool {
        let port = self.port.to_string();
        let child = Command::new(SERVER)
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--repl-diskless-sync-delay", "0", "--dir"])
            .arg(self.folder.path())
            .args(&self.settings)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let child = self.child.insert(child.expect("redis-server can be executed"));
        let log = BufReader::new(child.stdout.take().expect("a pipe"));
        let is_ready = |line: &str| line.contains("Ready to accept connections");
        let has_started = log.lines().map_while(Result::ok).any(|line| is_ready(&line));
        has_started && self.answers()
    }

    /// Kills the server, as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The server may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal: `STOP` stops the server until `CONT`.
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Its address for the service.
    pub fn url(&self) -> Secret {
        Secret::new(format!("redis://127.0.0.1:{}", self.port))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// One command such as `CLIENT PAUSE 1000`, its words apart.
    pub fn command<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut self.connect()?)
    }

    /// One command that succeeds.
    pub fn run_command(&self, words: &[&str]) {
        self.command::<redis::Value>(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }

    fn connect(&self) -> RedisResult<Connection> {
        Client::open(self.url().expose())?.get_connection_with_timeout(Duration::from_secs(2))
    }

    /// Whether the server answers, even if it wants a password.
    fn answers(&self) -> bool {
        match self.command::<String>(&["PING"]) {
            Ok(_) => true,
            Err(error) => error.code() == Some("NOAUTH"),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

const SERVER: &str = "redis-server";
