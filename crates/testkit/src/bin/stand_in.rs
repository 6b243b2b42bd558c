//! Runs the stand-in upstream as a program.
//!
//! It prints one line of JSON, `{"url":"http://127.0.0.1:41234","ca":null}`, and serves until SIGTERM, SIGINT or, if
//! asked, the end of stdin, so that it ends with its parent.

#![allow(clippy::unwrap_used, reason = "a test or a tool for tests panics at the unexpected")]
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person who runs it")]

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use tokio::sync::oneshot;

use testkit::upstream::{Options, Upstream};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("stand_in: {problem}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stand_in: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Arguments) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = Stop::listen(arguments.until_stdin_closes)?;
        let upstream = Upstream::try_start(arguments.options)?;
        let ca = upstream.ca_pem().map(CaFile::write).transpose()?;
        println!(r#"{{"url":{},"ca":{}}}"#, json!(upstream.url()), json!(ca.as_ref().map(CaFile::path)));
        io::stdout().flush()?;
        stop.wait().await;
        Ok(())
    })
}

struct Arguments {
    options: Options,
    until_stdin_closes: bool,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self { options: Options::default(), until_stdin_closes: false };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--port" => parsed.options.port = number(&argument, &value()?)?,
                "--threads" => parsed.options.threads = number(&argument, &value()?)?,
                "--key" => parsed.options.key = Some(value()?),
                "--tls" => parsed.options.tls = Some(ALPN.map(String::from).to_vec()),
                "--no-record" => parsed.options.record = false,
                "--until-stdin-closes" => parsed.until_stdin_closes = true,
                _ => return Err(format!("{argument} is not known")),
            }
        }
        Ok(parsed)
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} must be a number, not {value}"))
}

/// The root certificate as a file in a directory of its own; both are deleted when this is dropped.
struct CaFile(PathBuf);

impl CaFile {
    fn write(pem: &str) -> io::Result<Self> {
        let directory = (0..)
            .map(|attempt| std::env::temp_dir().join(format!("stand-in-{}-{attempt}", std::process::id())))
            .find_map(|directory| match std::fs::create_dir(&directory) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                created => Some(created.map(|()| directory)),
            })
            .expect("the attempts do not end")?;
        let file = Self(directory.join("ca.pem"));
        std::fs::write(&file.0, pem)?;
        Ok(file)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // A file that cannot be deleted stays in the temporary directory.
        let _ = std::fs::remove_file(&self.0);
        let _ = self.0.parent().map(std::fs::remove_dir);
    }
}

/// The events that end the program.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// Completes at the end of stdin; never, if the program does not end with stdin.
    stdin: oneshot::Receiver<()>,
    _keep: Option<oneshot::Sender<()>>,
}

impl Stop {
    /// Listens from now on, so that a signal just after the start is not lost.
    fn listen(until_stdin_closes: bool) -> io::Result<Self> {
        let (closed, stdin) = oneshot::channel();
        let keep = if until_stdin_closes {
            std::thread::spawn(move || {
                let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
                drop(closed);
            });
            None
        } else {
            Some(closed)
        };
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
            stdin,
            _keep: keep,
        })
    }

    #[cfg(unix)]
    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
            _ = self.stdin => {}
        }
    }

    #[cfg(not(unix))]
    async fn wait(self) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.stdin => {}
        }
    }
}

/// The ALPN names that `--tls` offers.
const ALPN: [&str; 2] = ["h2", "http/1.1"];

const USAGE: &str = "usage: stand_in [--port 0] [--tls] [--key KEY] [--threads N] [--no-record] [--until-stdin-closes]";
