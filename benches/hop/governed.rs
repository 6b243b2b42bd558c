//! What governing costs: a service that does it beside one that does not.

use serde::Serialize;

use crate::case::Case;
use crate::contestants::{BY_REDIS, GOVERNED, UNGOVERNED};
use crate::findings::Findings;
use crate::rounds::Round;

/// A service that governs beside one that does not.
#[derive(Debug, Serialize)]
pub struct Governed {
    /// What.
    pub title: &'static str,
    /// The unit of both values.
    pub unit: &'static str,
    /// The value of the one that does not.
    pub without: f64,
    /// The value of the one that does.
    pub with: f64,
    /// What is judged: how many times as much, or how much more.
    pub figure: f64,
    /// `×` or the unit of what is more.
    pub figure_unit: &'static str,
    /// What the figure may be at most.
    pub bar: f64,
}

impl Governed {
    /// All that was measured of it.
    pub fn rows(findings: &Findings) -> Vec<Self> {
        let rows = [
            cpu(findings, "small JSON, governed", GOVERNED, 1.15),
            cpu(findings, "small JSON, governed by Redis", BY_REDIS, 2.0),
            latency(findings),
            fallback(findings),
        ];
        rows.into_iter().flatten().collect()
    }

    /// Whether it is above its bar.
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

/// What a request waits for Redis.
fn latency(findings: &Findings) -> Option<Governed> {
    let of = |target| findings.singles(Case::Small, target).map(|singles| singles.total.p50);
    let (without, with) = (of(UNGOVERNED)?, of(BY_REDIS)?);
    let title = "small JSON, one at a time, by Redis, p50";
    Some(Governed { title, unit: "µs", without, with, figure: with - without, figure_unit: "µs", bar: 300.0 })
}

/// Who does not wait for Redis does not pay for it: with more of these the other figures would say nothing.
fn fallback(findings: &Findings) -> Option<Governed> {
    let with = findings.by_fallback?;
    let title = "decisions that came too late from Redis";
    Some(Governed { title, unit: "%", without: 0.0, with, figure: with, figure_unit: "%", bar: 1.0 })
}
