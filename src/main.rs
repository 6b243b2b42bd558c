//! The command line of the service.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use valetkey::clock::SystemClock;
use valetkey::service::config::{Config, ConfigProblem, Flags};
use valetkey::service::log::{self, LineQueue, UsageLines};
use valetkey::service::stop_signals::StopSignals;
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
        say(problem);
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
    log::log_panics();
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
    say(error);
    ExitCode::FAILURE
}

/// Before there is a log, what is wrong goes to standard error as it is.
fn say(error: &dyn std::error::Error) {
    // If it cannot be written, the exit code is all there is to say.
    let _ = writeln!(std::io::stderr(), "valetkey: {error}");
}

fn serve(config: Config, lines: LineQueue) -> Result<(), StartError> {
    let drain = config.listen.drain;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Worker)?;
    let signals = runtime.block_on(async { StopSignals::listen() }).map_err(StartError::Worker)?;
    let usage = Arc::new(UsageLines::new(lines, config.log.json));
    let service = Service::build(config, Ports { clock: Arc::new(SystemClock), usage })?;
    let (address, admin) = (service.address(), service.admin_address());
    let (trigger, listener) = shutdown::channel();
    let running = service.start(&listener)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "Listening on http://{address}");
    tracing::info!(address = %admin, "The admin listener is on http://{admin}");
    announce(address);
    runtime.block_on(until_ended(&trigger, running, signals, drain));
    Ok(())
}

/// The one line on standard output, for whoever started the service on a free port.
fn announce(address: SocketAddr) {
    let mut out = std::io::stdout();
    // Nobody may be listening, and then nobody wants to know.
    let _ = writeln!(out, "{{\"event\":\"listening\",\"url\":\"http://{address}\"}}").and_then(|()| out.flush());
}

/// The first signal drains, the second or the end of the drain limit forces.
async fn until_ended(trigger: &ShutdownTrigger, running: Running, mut signals: StopSignals, drain: Duration) {
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
