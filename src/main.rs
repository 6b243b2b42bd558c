//! The command line of the service.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};
use valetkey::clock::SystemClock;
use valetkey::service::config::{Config, ConfigProblem, Flags};
use valetkey::service::log::{self, LineQueue, UsageLines};
use valetkey::service::{Ports, Running, Service, StartError};
use valetkey::transport::shutdown::{self, Phase, ShutdownTrigger};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Lets desktop apps use Claude with no API key on the machine
#[derive(Parser)]
#[command(version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service
    Serve(Box<Flags>),
}

fn main() -> ExitCode {
    let Command::Serve(flags) = CommandLine::parse().command;
    match Config::read(&flags) {
        Ok(config) => run(config),
        Err(problems) => refuse(&problems),
    }
}

fn refuse(problems: &[ConfigProblem]) -> ExitCode {
    for problem in problems {
        eprintln!("valetkey: {problem}");
    }
    ExitCode::from(EX_USAGE)
}

fn run(config: Config) -> ExitCode {
    let (lines, writer) = match LineQueue::start(std::io::stderr()) {
        Ok(started) => started,
        Err(error) => return fail(&error),
    };
    if let Err(error) = log::init(config.log, &lines) {
        return fail(&error);
    }
    let code = match serve(config, lines) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "The service cannot start");
            ExitCode::FAILURE
        }
    };
    writer.close();
    code
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("valetkey: {error}");
    ExitCode::FAILURE
}

fn serve(config: Config, lines: LineQueue) -> Result<(), StartError> {
    let drain = config.listen.drain;
    for variable in &config.without_effect {
        tracing::warn!(variable, "This version does not act on {variable}");
    }
    let usage = Arc::new(UsageLines::new(lines, config.log.json));
    let service = Service::build(config, Ports { clock: Arc::new(SystemClock), usage })?;
    let address = service.address();
    let (trigger, listener) = shutdown::channel();
    // All that could fail comes before the first client does.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Worker)?;
    let signals = runtime.block_on(async { Signals::catch() }).map_err(StartError::Worker)?;
    let running = service.start(&listener)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "Listening on http://{address}");
    println!("{{\"event\":\"listening\",\"url\":\"http://{address}\"}}");
    runtime.block_on(until_ended(&trigger, running, drain, signals));
    Ok(())
}

/// The signals that ask for an end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they no longer kill the process.
    fn catch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The first signal drains, the second or the end of the drain limit forces.
async fn until_ended(trigger: &ShutdownTrigger, running: Running, drain: Duration, mut signals: Signals) {
    let mut ended = tokio::task::spawn_blocking(move || running.join());
    tokio::select! {
        () = signals.next() => {}
        _ = &mut ended => return,
    }
    tracing::info!(drain_ms = drain.as_millis(), "Stopping: open requests may finish");
    trigger.advance(Phase::Draining);
    tokio::select! {
        _ = &mut ended => return,
        () = signals.next() => {}
        () = tokio::time::sleep(drain) => {}
    }
    tracing::warn!("Ending what is still open");
    trigger.advance(Phase::Forced);
    let _ = ended.await;
}

/// The command was used incorrectly (BSD `sysexits`).
const EX_USAGE: u8 = 64;
