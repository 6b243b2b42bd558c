//! The command line of the service: parses it, runs one command, and turns the result into an exit code.

mod command_line;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use valetkey::clock::SystemClock;
use valetkey::service::Service;
use valetkey::service::ServiceHandle;
use valetkey::service::ServicePorts;
use valetkey::service::StartError;
use valetkey::service::admin::cli;
use valetkey::service::base::core_dumps;
use valetkey::service::config::{Config, Flags, settings};
use valetkey::service::diagnose::health::Expected;
use valetkey::service::run::stop_signals::StopSignals;
use valetkey::service::telemetry::error_reports::ErrorReports;
use valetkey::service::telemetry::log::{self, LineQueue, UsageLines};
use valetkey::service::telemetry::panics;
use valetkey::transport::shutdown::{self, Phase, ShutdownTrigger};

use self::command_line::{check, doctor, healthcheck, misused, print_json, refuse, say};

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
    Serve(Flags),
    /// Check the settings and the files they name, without connecting anywhere
    Check(Flags),
    /// Diagnose this set-up: upstream, key, clock, Redis, database, disk, the running service
    Doctor {
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Ask the service at HOST and PORT whether it lives, for the health check of a container: exit code 0 or 1
    Healthcheck {
        /// Ask whether it takes requests (/readyz) instead of whether it lives (/healthz)
        #[arg(long)]
        ready: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Govern a running service through its admin listener
    #[command(after_help = cli::EXIT_CODES)]
    Admin(Box<cli::Arguments>),
    /// Print the table of settings, of which docs/SETTINGS.md is made
    #[command(hide = true)]
    Settings,
}

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return misused(&error),
    };
    match line.command {
        Command::Serve(flags) => match Config::read(&flags) {
            Ok(config) => run(config),
            Err(problems) => refuse(&problems),
        },
        Command::Check(flags) => check(&flags),
        Command::Doctor { flags, json } => doctor(&flags, json),
        Command::Healthcheck { flags, ready } => {
            healthcheck(&flags, if ready { Expected::Ready } else { Expected::Alive })
        }
        Command::Admin(arguments) => cli::run(*arguments),
        Command::Settings => print_json(&settings::ALL),
    }
}

fn run(config: Config) -> ExitCode {
    let undumped = if config.core_dumps { Ok(()) } else { core_dumps::forbid() };
    let (lines, writer) = match LineQueue::start(std::io::stderr()) {
        Ok(started) => started,
        Err(error) => return fail(&error),
    };
    if let Err(error) = log::init(config.log, &lines) {
        return fail(&error);
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    if let Err(error) = undumped {
        tracing::warn!(%error, "Core dumps cannot be forbidden; one would hold the real key");
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
    say(&error);
    ExitCode::FAILURE
}

fn serve(config: Config, lines: LineQueue) -> Result<(), StartError> {
    let (lame_duck, drain) = (config.listen.lame_duck, config.listen.drain);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Worker)?;
    let signals = runtime.block_on(async { StopSignals::listen() }).map_err(StartError::Worker)?;
    let usage = Arc::new(UsageLines::new(lines, config.log.json));
    let reports = config.sentry.as_ref().map(ErrorReports::start).transpose()?.map(Arc::new);
    panics::watch(reports.clone());
    let ports = ServicePorts { clock: Arc::new(SystemClock), usage, reports: reports.clone() };
    let service = Service::build(config, ports)?;
    let (address, admin) = (service.address(), service.admin_address());
    let (url, admin_url, metrics_url) = (service.url(), service.admin_url(), service.metrics_url());
    let (trigger, listener) = shutdown::channel();
    let running = service.start(&listener)?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "Listening on {url}");
    tracing::info!(address = %admin, "The admin listener is on {admin_url}");
    if let Some(metrics_url) = metrics_url {
        tracing::info!("Metrics alone are on {metrics_url}");
    }
    announce(&url);
    runtime.block_on(until_ended(&trigger, running, signals, (lame_duck, drain)));
    if let Some(reports) = reports {
        reports.close(REPORT_LIMIT);
    }
    Ok(())
}

/// Prints one line on standard output: the program that started the service on a free port reads the URL from it.
fn announce(url: &str) {
    let mut out = std::io::stdout();
    // Standard output may be closed; then no program waits for the line.
    let _ = writeln!(out, "{{\"event\":\"listening\",\"url\":\"{url}\"}}").and_then(|()| out.flush());
}

/// Goes on as a lame duck at the first signal, then drains, and forces the end at the next signal or after the drain limit.
async fn until_ended(
    trigger: &ShutdownTrigger,
    running: ServiceHandle,
    mut signals: StopSignals,
    (lame_duck, drain): (Duration, Duration),
) {
    let mut ended = tokio::task::spawn_blocking(move || running.join());
    tokio::select! {
        () = signals.next() => {}
        _ = &mut ended => return,
    }
    tracing::info!(
        lame_duck_ms = lame_duck.as_millis(),
        drain_ms = drain.as_millis(),
        "Stopping: open requests may finish"
    );
    trigger.advance(Phase::LameDuck);
    tokio::select! {
        () = tokio::time::sleep(lame_duck) => {}
        () = signals.next() => {}
        _ = &mut ended => return,
    }
    trigger.advance(Phase::Draining);
    tokio::select! {
        _ = &mut ended => return,
        () = signals.next() => {}
        () = tokio::time::sleep(drain) => {}
    }
    tracing::warn!("Ending the requests that are still open");
    trigger.advance(Phase::Forced);
    let _ = ended.await;
}

/// How long the end waits for reports to Sentry.
const REPORT_LIMIT: Duration = Duration::from_secs(2);
