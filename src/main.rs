//! The command line of the service.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
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
    let running = service.start(&listener)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "Listening on http://{address}");
    println!("{{\"event\":\"listening\",\"url\":\"http://{address}\"}}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Worker)?;
    runtime.block_on(until_ended(&trigger, running, drain)).map_err(StartError::Worker)
}

/// The first signal drains, the second or the end of the drain limit forces.
async fn until_ended(trigger: &ShutdownTrigger, running: Running, drain: Duration) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut ended = tokio::task::spawn_blocking(move || running.join());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = &mut ended => return Ok(()),
    }
    tracing::info!(drain_ms = drain.as_millis(), "Stopping: open requests may finish");
    trigger.advance(Phase::Draining);
    tokio::select! {
        _ = &mut ended => return Ok(()),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = tokio::time::sleep(drain) => {}
    }
    tracing::warn!("Ending what is still open");
    trigger.advance(Phase::Forced);
    let _ = ended.await;
    Ok(())
}

/// The command was used incorrectly (BSD `sysexits`).
const EX_USAGE: u8 = 64;
