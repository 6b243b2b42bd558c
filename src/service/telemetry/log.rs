//! What the service writes about itself: one line per request and events worth a line, on standard error.
//!
//! Lines go through a queue to a thread that writes them in batches, so that a slow or blocked reader of the log never
//! slows a request. When the queue is full, lines are dropped and counted.

mod lines;
mod usage_lines;

use std::io;
use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{Registry, reload};

pub use self::lines::{LineQueue, LineWriter};
pub use self::usage_lines::UsageLines;

/// What the service writes about itself, on standard error.
#[derive(Debug, Clone, Copy)]
pub struct LogConfig {
    /// `LOG_LEVEL`.
    pub level: tracing::level_filters::LevelFilter,
    /// `LOG_FORMAT`: JSON lines, or text for a person.
    pub json: bool,
}

/// Sends all `tracing` events of valetkey to `lines`. Events of libraries are shown from `warn` on: at finer levels some
/// would show what they carry.
///
/// # Errors
/// When something else already collects events in this process.
pub fn init(config: LogConfig, lines: &LineQueue) -> Result<(), tracing_subscriber::util::TryInitError> {
    use tracing_subscriber::prelude::*;

    let (filter, level) = reload::Layer::new(filter(config.level));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
    if config.json {
        registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()?;
    } else {
        registry.with(layer.with_target(false).with_ansi(io::IsTerminal::is_terminal(&io::stderr()))).try_init()?;
    }
    // A process collects its events once, so nobody was here before.
    let _ = LEVEL.set(level);
    Ok(())
}

/// Shows events from `level` on from now on, if [`init`] has begun to collect them.
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

impl<'a> MakeWriter<'a> for LineQueue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: self, text: Vec::new() }
    }
}

/// One event on its way into the queue.
pub struct Line<'a> {
    queue: &'a LineQueue,
    text: Vec<u8>,
}

impl io::Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.queue.push(&self.text);
    }
}

/// As there is one collector of events in a process, there is one level.
static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();
