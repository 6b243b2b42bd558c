//! The real binary in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use testkit::service::REAL_KEY;

/// A wrapper token of the service at `url`, with its prefix.
pub async fn token(url: &str) -> String {
    let body = r#"{"device_id":"device-0001"}"#;
    let answer = testkit::http::post(&format!("{url}/bootstrap"), &[], body).await;
    format!("sk-ant-proxy-{}", answer.json()["token"].as_str().expect("a token"))
}

/// A script that starts the program with the socket as its first passed one, and with variables that say so, such as
/// [`ONE_SOCKET`]. `sh` of Debian takes no number above 9.
#[cfg(unix)]
fn passing(socket: &impl std::os::fd::AsRawFd, variables: &str) -> String {
    format!("exec 3<&{}; {variables} exec \"$0\" serve", socket.as_raw_fd())
}

/// What a supervisor sets that passes on one socket.
#[cfg(unix)]
pub const ONE_SOCKET: &str = "LISTEN_FDS=1 LISTEN_PID=$$";

/// A running `valetkey serve`; killed when dropped.
pub struct Process {
    pub url: String,
    child: Child,
    _folder: TempDir,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts before `upstream`, with further settings.
    pub fn start(upstream: &str, settings: &[(&str, &str)]) -> Self {
        Self::spawn(Command::new(BINARY).arg("serve"), upstream, settings)
    }

    /// The same with no more than `files` open files.
    pub fn start_with_files(files: usize, upstream: &str, settings: &[(&str, &str)]) -> Self {
        let script = format!("ulimit -n {files}; exec \"$0\" serve");
        Self::spawn(Command::new("sh").args(["-c", &script, BINARY]), upstream, settings)
    }

    /// The same with core dumps of any size, as far as this process may allow them.
    #[cfg(target_os = "linux")]
    pub fn start_dumping(upstream: &str, settings: &[(&str, &str)]) -> Self {
        let script = "ulimit -c unlimited 2>/dev/null || true; exec \"$0\" serve";
        Self::spawn(Command::new("sh").args(["-c", script, BINARY]), upstream, settings)
    }

    /// The same with a socket to listen on, as supervisors pass it on (sd_listen_fds(3)).
    #[cfg(unix)]
    pub fn start_with_socket(
        socket: &impl std::os::fd::AsRawFd,
        variables: &str,
        upstream: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        Self::spawn(Command::new("bash").args(["-c", &passing(socket, variables), BINARY]), upstream, settings)
    }

    /// How the start with a passed socket ends that is refused, and what is logged. Panics if it is not refused.
    #[cfg(unix)]
    pub fn refused_with_socket(
        socket: &impl std::os::fd::AsRawFd,
        variables: &str,
        settings: &[(&str, &str)],
    ) -> (ExitStatus, String) {
        let folder = TempDir::new().expect("a folder for its files");
        let mut command = Command::new("bash");
        command.args(["-c", &passing(socket, variables), BINARY]).current_dir(folder.path()).env_clear();
        command.envs([("PORT", "0"), ("ADMIN_PORT", "0"), ("ANTHROPIC_API_KEY", REAL_KEY)]);
        command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
        if !line.is_empty() {
            // It would run for ever.
            let _ = child.kill();
        }
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(line, "", "it has started");
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The same with nobody who reads what it logs. Its log stays empty.
    pub fn start_unheard(upstream: &str, settings: &[(&str, &str)]) -> Self {
        Self::spawn_heard(Command::new(BINARY).arg("serve"), upstream, settings, false)
    }

    fn spawn(command: &mut Command, upstream: &str, settings: &[(&str, &str)]) -> Self {
        Self::spawn_heard(command, upstream, settings, true)
    }

    fn spawn_heard(command: &mut Command, upstream: &str, settings: &[(&str, &str)], heard: bool) -> Self {
        let folder = TempDir::new().expect("a folder for its files");
        let command = command
            .current_dir(folder.path())
            .env_clear()
            .envs([
                ("PORT", "0"),
                ("ADMIN_PORT", "0"),
                ("RATE_LIMIT_MAX", "0"),
                ("WORKERS", "1"),
                ("LOG_FORMAT", "json"),
                ("ANTHROPIC_API_KEY", REAL_KEY),
            ])
            .envs([("ANTHROPIC_BASE_URL", upstream), ("JWT_SECRET", "0123456789abcdef0123456789abcdef")])
            .envs(settings.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let (log, reader) = if heard {
            let (log, reader) = collect(child.stderr.take().expect("a pipe"));
            (log, Some(reader))
        } else {
            // The pipe stays open in `child`.
            (Arc::default(), None)
        };
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
        let listening: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("it says where it listens: {line:?}"));
        let url = listening["url"].as_str().expect("an address").to_owned();
        Self { url, child, _folder: folder, log, reader }
    }

    /// Sends a signal such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log has this text on so many lines. Panics after 10 s.
    pub async fn logged(&self, text: &str, times: usize) {
        let waiting = async {
            while self.log().lines().filter(|line| line.contains(text)).count() < times {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(came.is_ok(), "{text}: {}", self.log());
    }

    /// Waits for its end: how it ended and all it logged. Panics after 15 s.
    pub async fn end(mut self) -> (ExitStatus, String) {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().expect("it is ours") {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let status = tokio::time::timeout(Duration::from_secs(15), ended).await.expect("it ends within 15 s");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader ends with the pipe");
        }
        (status, self.log())
    }

    /// A file that the kernel has about it.
    #[cfg(target_os = "linux")]
    pub fn proc(&self, name: &str) -> std::path::PathBuf {
        format!("/proc/{}/{name}", self.child.id()).into()
    }

    /// How much memory it takes now, in bytes.
    #[cfg(target_os = "linux")]
    pub fn resident(&self) -> usize {
        let status = std::fs::read_to_string(self.proc("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program that has ended leaves.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub errors: String,
}

/// Runs the binary to its end: its exit code and what it wrote on standard error.
pub fn run(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let ended = run_with(arguments, settings, "");
    (ended.code, ended.errors)
}

/// The same with what it wrote on standard output, before the errors.
pub fn run_whole(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let ended = run_with(arguments, settings, "");
    (ended.code, ended.out, ended.errors)
}

/// The same with something to read on its standard input.
pub fn run_with(arguments: &[&str], settings: &[(&str, &str)], input: &str) -> Ended {
    let folder = TempDir::new().expect("a folder for its files");
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(folder.path()).env_clear().env("ADMIN_PORT", "0");
    command.envs(settings.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // It may have ended before it read anything.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), out: text(&output.stdout), errors: text(&output.stderr) }
}

fn collect(mut pipe: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let log = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&log);
    let reader = std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut piece) {
            written.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
        }
    });
    (log, reader)
}

const BINARY: &str = env!("CARGO_BIN_EXE_valetkey");
