//! Loads each contestant in turn, several times over, and measures what its processes use meanwhile.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::case::Case;
use crate::crew::Crew;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::numbers::{Spread, median, micros, per_second};
use crate::scale::Scale;
use crate::target::{Part, Target};
use crate::usage::CpuSample;

/// All rounds of one contestant with one case.
#[derive(Debug, Serialize)]
pub struct Series {
    /// The key of the load.
    pub case: &'static str,
    pub target: &'static str,
    /// The parts that were measured.
    pub parts: Vec<&'static str>,
    /// In the order they were run.
    pub rounds: Vec<Round>,
}

/// The results of one round.
#[derive(Debug, Serialize)]
pub struct Round {
    /// CPU time for each request, or for each event of a stream, in microseconds, by part.
    pub cpu_us: Vec<f64>,
    /// Requests in a second of the loop.
    pub per_second: f64,
    /// Until the first byte of an answer.
    pub first_byte: Spread,
    /// Until its last byte.
    pub total: Spread,
}

impl Series {
    /// The median over all rounds.
    pub fn median(&self, value: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(value))
    }

    /// The median of the ratios to `other`, round by round: two rounds that follow each other share their disturbances.
    pub fn ratio(&self, other: &Self, value: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().zip(&other.rounds).map(|(ours, others)| value(ours) / value(others)))
    }
}

/// Runs all rounds of one case.
pub async fn run(exchange: &Arc<Exchange>, targets: &[&Target], scale: &Scale) -> Result<Vec<Series>, Failure> {
    let case = exchange.case;
    let contestants: Vec<_> = targets.iter().copied().filter(|target| takes_part(target, case)).collect();
    let series = |target: &&Target| Series {
        case: case.key(),
        target: target.name,
        parts: target.parts.iter().map(|part| part.name).collect(),
        rounds: Vec::new(),
    };
    let mut all: Vec<Series> = contestants.iter().map(series).collect();
    for number in 0..scale.rounds {
        eprintln!("{}: round {} of {}", case.key(), number + 1, scale.rounds);
        // Each contestant is first, second and last equally often.
        for place in 0..contestants.len() {
            let next = (number + place) % contestants.len();
            all[next].rounds.push(round(exchange, contestants[next], scale).await?);
        }
    }
    Ok(all)
}

/// Whether a target takes part in a case: restricted tokens concern request bodies only, and buffering large ones only.
fn takes_part(target: &Target, case: Case) -> bool {
    match target.name {
        "valetkey-restricted" => !case.is_stream(),
        "nginx-unbuffered" => case == Case::Large,
        _ => true,
    }
}

async fn round(exchange: &Arc<Exchange>, target: &Target, scale: &Scale) -> Result<Round, Failure> {
    let case = exchange.case;
    let (connections, requests) = (scale.connections(case), scale.requests(case));
    let mut crew = Crew::gather(target, exchange, connections).await?;
    crew.work(connections * case.warm_up()).await?;
    tokio::time::sleep(SETTLE).await;
    let before = samples(&target.parts)?;
    let start = Instant::now();
    let timings = crew.work(requests).await?;
    let elapsed = start.elapsed();
    // Work in the background, such as writing the log, belongs to the round as well.
    tokio::time::sleep(SETTLE).await;
    let after = samples(&target.parts)?;
    let used = after.iter().zip(&before).map(|(after, before)| after.since(before));
    Ok(Round {
        cpu_us: used.map(|used| micros(used, requests * case.units())).collect(),
        per_second: per_second(requests, elapsed),
        first_byte: Spread::of(timings.iter().map(|timing| timing.first_byte)),
        total: Spread::of(timings.iter().map(|timing| timing.total)),
    })
}

fn samples(parts: &[Part]) -> Result<Vec<CpuSample>, Failure> {
    let sample = |part: &Part| {
        CpuSample::take(&part.pids).map_err(Failure::system(format_args!("cannot measure {}", part.name)))
    };
    parts.iter().map(sample).collect()
}

/// Longer than the service gathers log lines before it writes them.
const SETTLE: Duration = Duration::from_millis(60);
