//! The service's own log on standard error: one line per relayed request, and one per notable event.
//!
//! A thread writes the lines in batches from a bounded queue, so a slow or blocked reader of the log never slows a
//! request. Lines that find the queue full are dropped and counted.

mod lines;
mod usage_lines;

use std::io;
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Registry, reload};

pub use self::lines::{LineQueue, LineWriter};
pub use self::usage_lines::UsageLines;

#[derive(Debug, Clone, Copy)]
pub struct LogConfig {
    pub level: tracing::level_filters::LevelFilter,
    /// JSON lines, or text for people.
    pub json: bool,
}

/// Sends all `tracing` events of valetkey to `lines`. Events of libraries are shown from `warn` on only: at finer
/// levels some libraries log the data they carry.
///
/// # Errors
/// When this process already has another collector of events.
pub fn init(config: LogConfig, lines: &LineQueue) -> Result<(), tracing_subscriber::util::TryInitError> {
    use tracing_subscriber::prelude::*;

    let (filter, level) = reload::Layer::new(filter(config.level));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = lines.clone();
    let layer = tracing_subscriber::fmt::layer().with_writer(move || lines.clone());
    if config.json {
        registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()?;
    } else {
        registry.with(layer.with_target(false).with_ansi(io::IsTerminal::is_terminal(&io::stderr()))).try_init()?;
    }
    // `try_init` succeeds only once in a process, so `LEVEL` is still empty.
    let _ = LEVEL.set(level);
    Ok(())
}

/// Changes the level of the log while the service runs. Does nothing before [`init`].
pub(crate) fn set_level(level: LevelFilter) {
    if let Some(handle) = LEVEL.get()
        && let Err(error) = handle.reload(filter(level))
    {
        tracing::error!(%error, "The log's level cannot be changed");
    }
}

fn filter(level: LevelFilter) -> Targets {
    Targets::new().with_target("valetkey", level).with_default(level.min(LevelFilter::WARN))
}

/// A process has one collector of events, and so one level.
static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();
