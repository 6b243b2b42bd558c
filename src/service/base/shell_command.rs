//! A command line of the operator's that prints a secret: `vault read …`, `gcloud secrets …`. The system's shell runs it.
//!
//! It has a deadline. All processes that it has started end with it there, and when the service stops meanwhile. Elsewhere than
//! on Unix only the shell ends.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use zeroize::Zeroizing;

use super::secret_text::{LONGEST, secret_text};
use crate::secret::Secret;

#[derive(Debug, Clone)]
pub struct ShellCommand {
    /// The line may hold a password.
    pub line: Secret,
    /// How long it may take.
    pub limit: Duration,
    /// Variables that it does not get.
    pub hidden: Vec<&'static str>,
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("has not ended within {} ms", .0.as_millis())]
    Late(Duration),
    /// With the first line of what it wrote on standard error.
    #[error("ended with {0}, and said: {1}")]
    Failed(ExitStatus, String),
    #[error("cannot be waited for: {0}")]
    Wait(#[source] io::Error),
    #[error("printed something that {0}")]
    Printed(&'static str),
}

impl ShellCommand {
    /// Runs it once. What it prints on standard output is the secret.
    pub(crate) async fn run(&self) -> Result<Secret, CommandError> {
        let mut command = shell(self.line.expose());
        for name in &self.hidden {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(CommandError::Start)?;
        let mut group = Group(child.id());
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        let ending = async { tokio::join!(printed(out), printed(errors), child.wait()) };
        let Ok((out, errors, status)) = tokio::time::timeout(self.limit, ending).await else {
            return Err(CommandError::Late(self.limit));
        };
        group.0 = None; // it has ended by itself
        let status = status.map_err(CommandError::Wait)?;
        if !status.success() {
            return Err(CommandError::Failed(status, first_line(&errors, &out)));
        }
        let text = std::str::from_utf8(&out).map_err(|_| CommandError::Printed("is not UTF-8"))?;
        secret_text(text).map(Secret::new).map_err(CommandError::Printed)
    }
}

/// The processes of a running command, which end when this is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        end(self.0);
    }
}

/// Reads a little more than a secret may have; a command that goes on then finds the pipe closed.
async fn printed(pipe: Option<impl AsyncRead + Unpin>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::new());
    if let Some(pipe) = pipe {
        // Nothing more can be read of a broken pipe.
        let _ = pipe.take(LONGEST as u64 + 3).read_to_end(&mut bytes).await;
    }
    bytes
}

/// The first line of `errors` for the log, without what was printed as the secret.
fn first_line(errors: &[u8], out: &[u8]) -> String {
    let (errors, out) = (String::from_utf8_lossy(errors), String::from_utf8_lossy(out));
    let line = errors.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing");
    let secret = out.trim();
    let line = if secret.is_empty() { line.to_owned() } else { line.replace(secret, "…") };
    line.chars().take(MOST_SAID).map(|said| if said.is_control() { ' ' } else { said }).collect()
}

/// The group of the shell is its own, so that [`end`] ends what it has started.
#[cfg(unix)]
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).process_group(0);
    command
}

#[cfg(not(unix))]
fn shell(line: &str) -> Command {
    let mut command = Command::new("cmd");
    command.arg("/C").raw_arg(line);
    command
}

#[cfg(unix)]
fn end(group: Option<u32>) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let leader = group.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(leader) = leader {
        // All of them may have ended just now.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

/// The shell ends when its handle is dropped.
#[cfg(not(unix))]
fn end(_: Option<u32>) {}

/// Characters of an error that are logged.
const MOST_SAID: usize = 200;

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str, limit: Duration) -> ShellCommand {
        ShellCommand { line: Secret::new(line), limit, hidden: vec!["HOME"] }
    }

    async fn said(line: &str) -> Result<String, String> {
        let secret = command(line, Duration::from_secs(60)).run().await;
        secret.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_a_command_prints_is_the_secret() {
        assert_eq!(said("echo canary; echo a word >&2").await, Ok("canary".into()));
        assert_eq!(said("printf '%s' \"a${HOME-b}\"").await, Ok("ab".into()), "without hidden variables");
        assert_eq!(said("cat").await, Err("printed something that is empty".into()), "it has nothing to read");
    }

    #[tokio::test]
    async fn f91_a_command_that_fails_is_told_by_its_first_words_and_not_by_the_secret() {
        let failed = said("echo canary; echo 'no access to canary' >&2; echo more >&2; exit 3").await;
        assert_eq!(failed, Err("ended with exit status: 3, and said: no access to …".into()));
        assert_eq!(said("exit 1").await, Err("ended with exit status: 1, and said: nothing".into()));
        let unknown = said("/nowhere/at/all").await.unwrap_err();
        assert!(unknown.starts_with("ended with exit status: 127, and said: "), "{unknown}");
        for (line, fault) in
            [("echo a; echo b", "holds more than one line, or a control character"), ("printf '\\377'", "is not UTF-8")]
        {
            assert_eq!(said(line).await, Err(format!("printed something that {fault}")), "{line}");
        }
        assert!(said("yes").await.is_err(), "an output without an end is not read to the end");
    }

    #[tokio::test]
    async fn f91_a_command_ends_at_its_deadline_with_all_that_it_has_started() {
        let (line, file) = starting_another();
        let late = command(&line, Duration::from_secs(1)).run().await;
        assert!(matches!(late, Err(CommandError::Late(_))), "{late:?}");
        has_ended(file.path()).await;
    }

    #[tokio::test]
    async fn f91_a_command_that_runs_while_the_service_stops_ends_with_all_that_it_has_started() {
        let (line, file) = starting_another();
        let command = command(&line, Duration::from_secs(60));
        tokio::select! {
            ended = command.run() => panic!("{ended:?}"),
            () = has_begun(file.path()) => {}
        }
        has_ended(file.path()).await;
    }

    /// A command line, and the file with the id of a process that it starts. This process keeps the pipe open.
    fn starting_another() -> (String, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        (format!("sleep 600 & echo $! > '{}'; wait", file.path().display()), file)
    }

    /// Waits until the file has the id of the process.
    async fn has_begun(file: &std::path::Path) {
        while !std::fs::read_to_string(file).unwrap().ends_with('\n') {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the process whose id is in the file is gone.
    async fn has_ended(file: &std::path::Path) {
        let pid: i32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let is_there = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            // A process that has ended stays as a zombie until its parent, now the system's, has looked at it.
            Ok(stat) => !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z'),
            Err(_) => !cfg!(target_os = "linux") && rustix::process::test_kill_process(pid).is_ok(),
        };
        let gone = async {
            while is_there() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it has ended");
    }
}
