//! The table for the terminal and the file for machines.

use std::fmt::{self, Write};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::case::Case;
use crate::contestants::nginx_version;
use crate::failure::Failure;
use crate::findings::{Chain, Comparison, Findings};
use crate::governed::Governed;
use crate::scale::Scale;

pub fn table(findings: &Findings, scale: &Scale) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_table(&mut text, findings, scale);
    text
}

/// Writes everything to `file`.
pub fn write_json(file: &Path, findings: &Findings, scale: &Scale) -> Result<(), Failure> {
    let report = json!({
        "environment": environment(),
        "rounds": scale.rounds,
        "bars_enforced": scale.enforces_bars,
        "cpu": findings.cpu(),
        "added_latency": findings.added(),
        "memory": findings.occupied(),
        "governance": Governed::rows(findings),
        "restricted": findings.restricted(),
        "throughput": findings.throughput(),
        "chain": findings.chain(),
        "chain_added_first_byte_us": findings.chain_added(),
        "measurements": findings,
    });
    let write = || {
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        fs::write(file, format!("{report:#}\n"))
    };
    write().map_err(Failure::system(format_args!("cannot write {}", file.display())))
}

fn environment() -> Value {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    json!({
        "cpu": model,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "nginx": nginx_version(),
        "valetkey": env!("CARGO_PKG_VERSION"),
    })
}

fn write_table(text: &mut String, findings: &Findings, scale: &Scale) -> fmt::Result {
    let (rounds, streams) = (scale.rounds, scale.connections(Case::Spaced));
    let connections = scale.connections(Case::Small);
    writeln!(text, "\nMedians of {rounds} rounds; {connections} connections, {streams} streams with pauses.")?;
    section(text, "CPU time", &findings.cpu())?;
    section(text, "Added to the time of a direct request", &findings.added())?;
    section(text, "Memory", &findings.occupied())?;
    governance(text, &Governed::rows(findings))?;
    section(text, "For information: CPU time with restricted models", &findings.restricted())?;
    section(text, "For information: throughput of this machine", &findings.throughput())?;
    chain(text, findings)
}

fn section(text: &mut String, title: &str, comparisons: &[Comparison]) -> fmt::Result {
    if comparisons.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title:<TITLE$}{:>NUMBER$}{:>NUMBER$}{:>8}{:>7}", "nginx", "valetkey", "ratio", "bar")?;
    for row in comparisons {
        let (nginx, ours) = (number(row.nginx, row.unit), number(row.valetkey, row.unit));
        let ratio = if row.ratio.is_finite() { format!("{:.2}", row.ratio) } else { "-".into() };
        write!(text, "  {:<width$}{nginx:>NUMBER$}{ours:>NUMBER$}{ratio:>8}", row.title, width = TITLE - 2)?;
        match row.bar {
            Some(bar) => writeln!(text, "{bar:>7.2}  {}", if row.is_missed() { "missed" } else { "met" })?,
            None => writeln!(text)?,
        }
    }
    Ok(())
}

fn governance(text: &mut String, rows: &[Governed]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let title = "Governance: CPU time and latency";
    writeln!(text, "\n{title:<TITLE$}{:>NUMBER$}{:>NUMBER$}{:>NUMBER$}{:>7}", "without", "with", "figure", "bar")?;
    for row in rows {
        let (without, with) = (number(row.without, row.unit), number(row.with, row.unit));
        let figure = number(row.figure, row.figure_unit);
        write!(text, "  {:<width$}{without:>NUMBER$}{with:>NUMBER$}{figure:>NUMBER$}", row.title, width = TITLE - 2)?;
        writeln!(text, "{:>7.2}  {}", row.bar, if row.is_missed() { "missed" } else { "met" })?;
    }
    Ok(())
}

fn chain(text: &mut String, findings: &Findings) -> fmt::Result {
    let rows = findings.chain();
    if !rows.is_empty() {
        writeln!(text, "\n{:<TITLE$}{:>NUMBER$}{:>NUMBER$}", "Whole chain: CPU time", "service", "app")?;
    }
    for Chain { title, service_us, app_us } in rows {
        let (service, app) = (number(service_us, "µs"), number(app_us, "µs"));
        writeln!(text, "  {title:<width$}{service:>NUMBER$}{app:>NUMBER$}", width = TITLE - 2)?;
    }
    if let Some(added) = findings.chain_added() {
        let (p50, p99) = (number(added.p50, "µs"), number(added.p99, "µs"));
        writeln!(text, "\n{:<TITLE$}{:>NUMBER$}{:>NUMBER$}", "Whole chain: added to a direct request", "p50", "p99")?;
        writeln!(
            text,
            "  {:<width$}{p50:>NUMBER$}{p99:>NUMBER$}",
            "SSE, one at a time, first byte",
            width = TITLE - 2
        )?;
    }
    Ok(())
}

fn number(value: f64, unit: &str) -> String {
    if value.abs() < 100.0 { format!("{value:.2} {unit}") } else { format!("{value:.0} {unit}") }
}

const TITLE: usize = 52;
const NUMBER: usize = 13;
