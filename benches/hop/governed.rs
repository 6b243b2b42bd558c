//! The cost of governance: a service that governs beside one that does not.

use serde::Serialize;

use crate::case::Case;
use crate::contestants::{BY_REDIS, GOVERNED, UNGOVERNED};
use crate::findings::Findings;
use crate::rounds::Round;

/// A service that governs beside one that does not.
#[derive(Debug, Serialize)]
pub struct Governed {
    pub title: &'static str,
    /// The unit of both values.
    pub unit: &'static str,
    /// The value of the service that does not govern.
    pub without: f64,
    /// The value of the service that governs.
    pub with: f64,
    /// The judged figure: a ratio or a difference.
    pub figure: f64,
    /// `×` for a ratio, or the unit of a difference.
    pub figure_unit: &'static str,
    /// The largest figure allowed.
    pub bar: f64,
}

impl Governed {
    /// All comparisons that were measured.
    pub fn rows(findings: &Findings) -> Vec<Self> {
        let rows = [
            cpu(findings, "small JSON, governed", GOVERNED, 1.15),
            cpu(findings, "small JSON, governed by Redis", BY_REDIS, 2.0),
            latency(findings),
            fallback(findings),
        ];
        rows.into_iter().flatten().collect()
    }

    /// Whether the figure is above its bar.
    pub fn is_missed(&self) -> bool {
        self.figure > self.bar
    }
}

/// The CPU time of the service itself for a request.
fn cpu(findings: &Findings, title: &'static str, target: &str, bar: f64) -> Option<Governed> {
    let (without, with) = (findings.series(Case::Small, UNGOVERNED)?, findings.series(Case::Small, target)?);
    let service = |round: &Round| round.cpu_us[0];
    let figure = with.ratio(without, service);
    let (without, with) = (without.median(service), with.median(service));
    Some(Governed { title, unit: "µs", without, with, figure, figure_unit: "×", bar })
}

/// The time that a request waits for Redis.
fn latency(findings: &Findings) -> Option<Governed> {
    let of = |target| findings.singles(Case::Small, target).map(|singles| singles.total.p50);
    let (without, with) = (of(UNGOVERNED)?, of(BY_REDIS)?);
    let title = "small JSON, one at a time, by Redis, p50";
    Some(Governed { title, unit: "µs", without, with, figure: with - without, figure_unit: "µs", bar: 300.0 })
}

/// The decisions that did not wait for Redis. They cost little: with many of them the other figures would say nothing.
fn fallback(findings: &Findings) -> Option<Governed> {
    let with = findings.by_fallback?;
    let title = "decisions that came too late from Redis";
    Some(Governed { title, unit: "%", without: 0.0, with, figure: with, figure_unit: "%", bar: 1.0 })
}
