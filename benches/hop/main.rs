//! nginx and valetkey side by side, before the same upstream and under the same load.
//!
//! [`contestants`] starts all programs; [`rounds`] loads them in turn, [`latency`] makes single requests and
//! [`streams`] measures memory; [`findings`] and [`governed`] compare, [`report`] prints. `docs/BENCHMARK.md` has the
//! method.
#![expect(clippy::print_stderr, reason = "it is a program for a terminal")]
#![expect(unreachable_pub, reason = "in a program `pub` tells what other modules use")]

mod answer;
mod arguments;
mod body;
mod case;
mod contestants;
mod crew;
mod exchange;
mod failure;
mod findings;
mod governed;
mod latency;
mod numbers;
mod process;
mod report;
mod rounds;
mod scale;
mod streams;
mod target;
mod usage;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Arguments;
use crate::case::Case;
use crate::contestants::Contestants;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::findings::{Findings, Occupied};
use crate::governed::Governed;
use crate::numbers::kilobytes;
use crate::scale::Scale;
use crate::target::Target;

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("hop: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::system("cannot start"))?;
    // A run that is dropped half-way ends all its programs, as a panic does.
    let findings = runtime.block_on(async {
        tokio::select! {
            findings = measure(arguments) => findings,
            interrupted = interrupted() => Err(interrupted),
        }
    })?;
    let file = Path::new(BUILT_BESIDE).ancestors().nth(2).unwrap_or(Path::new("target")).join("bench/hop.json");
    report::write_json(&file, &findings, &arguments.scale)?;
    let table = report::table(&findings, &arguments.scale);
    let printed = writeln!(std::io::stdout(), "{table}\nAll measurements: {}", file.display());
    printed.map_err(Failure::system("cannot print"))?;
    let missed = findings.cpu().iter().filter(|row| row.is_missed()).count()
        + Governed::rows(&findings).iter().filter(|row| row.is_missed()).count();
    if missed == 0 || !arguments.scale.enforces_bars {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("hop: {missed} bars are missed");
    Ok(ExitCode::FAILURE)
}

async fn measure(arguments: &Arguments) -> Result<Findings, Failure> {
    let built_beside = Path::new(BUILT_BESIDE);
    let binary = arguments.valetkey.as_deref().unwrap_or(built_beside);
    let contestants = Contestants::start(binary, &built_beside.with_file_name("stand_in")).await?;
    let targets = contestants.targets();
    introduce(&targets);
    if contestants.chain.is_none() {
        eprintln!("The whole chain is left out: the addon is not built (`npm run build`)");
    }
    let scale = &arguments.scale;
    let mut findings = Findings::default();
    if arguments.memory() {
        findings.memory = memory(&contestants, scale.connections(Case::Spaced)).await?;
    }
    for case in arguments.cases() {
        let exchange = Arc::new(Exchange::learn(case, &contestants.direct).await?);
        findings.series.extend(rounds::run(&exchange, &targets, scale).await?);
    }
    if arguments.latency() {
        let is_compared = |target: &&Target| !["valetkey-restricted", "nginx-unbuffered"].contains(&target.name);
        let single: Vec<&Target> = targets.into_iter().filter(is_compared).collect();
        for case in [Case::Small, Case::Large, Case::Burst] {
            let exchange = Arc::new(Exchange::learn(case, &contestants.direct).await?);
            findings.singles.extend(latency::run(&exchange, &single, scale.singles).await?);
        }
    }
    if arguments.governance() {
        governance(&contestants, binary, scale, &mut findings).await?;
    }
    Ok(findings)
}

/// Prints the process ids, for a person who wants to inspect a program.
fn introduce(targets: &[&Target]) {
    for target in targets {
        for part in &target.parts {
            eprintln!("{}: {} is {:?}", target.name, part.name, part.pids);
        }
    }
}

/// Measures the cost of governance, with services that are started for it and end with it.
async fn governance(
    contestants: &Contestants,
    binary: &Path,
    scale: &Scale,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let governance = contestants.governance(binary).await?;
    let targets = governance.targets();
    introduce(&targets);
    if governance.redis.is_none() {
        eprintln!("Limits in Redis are left out: redis-server is not installed");
    }
    let exchange = Arc::new(Exchange::learn(Case::Small, &contestants.direct).await?);
    findings.series.extend(rounds::run(&exchange, &targets, &scale.calmer()).await?);
    findings.singles.extend(latency::run(&exchange, &targets, scale.singles).await?);
    findings.by_fallback = governance.by_fallback().await?;
    Ok(())
}

/// Measures memory. Must run before any load.
async fn memory(contestants: &Contestants, streams: usize) -> Result<Vec<Occupied>, Failure> {
    let exchange = Arc::new(Exchange::learn(Case::Spaced, &contestants.direct).await?);
    let mut occupied = Vec::new();
    for (target, idle) in [&contestants.nginx, &contestants.valetkey].into_iter().zip(contestants.idle) {
        let busy = streams::memory(&exchange, target, streams).await?;
        let busier = streams::memory(&exchange, target, 2 * streams).await?;
        occupied.push(Occupied {
            target: target.name,
            idle_kb: kilobytes(idle.resident, 0, 1),
            stream_kb: kilobytes(busy.anonymous, idle.anonymous, streams),
            further_stream_kb: kilobytes(busier.anonymous, busy.anonymous, streams),
        });
    }
    Ok(occupied)
}

async fn interrupted() -> Failure {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = signals else {
        return Failure::Interrupted;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Failure::Interrupted
}

/// Cargo builds the service with this program and knows where it is.
const BUILT_BESIDE: &str = env!("CARGO_BIN_EXE_valetkey");
