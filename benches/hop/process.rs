//! A program that the benchmark started, and its certain end.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::Instant;

use crate::failure::Failure;

/// A running program. Dropping this ends it and its children: by SIGTERM, and after a moment by SIGKILL.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Kept open: a program that writes to a closed pipe dies of SIGPIPE.
    stdout: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `command` with its standard error in a file in `folder`. Its standard input ends with this program.
    pub fn start(name: &'static str, mut command: Command, folder: &Path) -> Result<Self, Failure> {
        let log = folder.join(format!("{name}.log"));
        let stderr = File::create(&log).map_err(Failure::system(log.display()))?;
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn();
        let mut child = child.map_err(Failure::system(format_args!("cannot start {name}")))?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self { name, child, log, stdout })
    }

    /// The first line it prints, which is JSON.
    pub fn first_line(&mut self) -> Result<Value, Failure> {
        let mut stdout = self.stdout.take().ok_or_else(|| self.failed("its output is taken"))?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.read_line(&mut line);
            // The receiver is gone when the limit has passed.
            let _ = sender.send((read.map(|_| line), stdout));
        });
        let (line, stdout) = receiver.recv_timeout(START_LIMIT).map_err(|_| self.failed("it says nothing"))?;
        self.stdout = Some(stdout);
        let line = line.map_err(|error| self.failed(error.to_string()))?;
        serde_json::from_str(&line).map_err(|_| self.failed(format!("it says {line:?}")))
    }

    /// Waits until `ready` returns a value.
    pub fn wait_until<T>(&mut self, mut ready: impl FnMut(&Self) -> Option<T>) -> Result<T, Failure> {
        let limit = Instant::now() + START_LIMIT;
        while Instant::now() < limit {
            if let Some(answer) = ready(self) {
                return Ok(answer);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.failed(format!("it ended with {status}")));
            }
            std::thread::sleep(POLL);
        }
        Err(self.failed("it is not ready in time"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The ids of the processes that its first thread has started.
    pub fn children(&self) -> Vec<u32> {
        let pid = self.pid();
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    }

    /// All that the program has written on standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A failure to start, with the end of the log.
    pub fn failed(&self, reason: impl Into<String>) -> Failure {
        let log = self.log();
        let start = log.len().saturating_sub(LOG_SHOWN);
        let shown = log.get(start..).unwrap_or(&log);
        Failure::Start { name: self.name, reason: reason.into(), log: shown.to_owned() }
    }

    fn ends_within(&mut self, limit: Duration) -> bool {
        let limit = Instant::now() + limit;
        while Instant::now() < limit {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(POLL);
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let children = self.children();
        send(self.pid(), Signal::TERM);
        if !self.ends_within(END_LIMIT) {
            for pid in children {
                send(pid, Signal::KILL);
            }
            // An error means that the program has just ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that is gone needs no signal.
        let _ = kill_process(pid, signal);
    }
}

const START_LIMIT: Duration = Duration::from_secs(15);
const END_LIMIT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(10);
const LOG_SHOWN: usize = 2_000;
