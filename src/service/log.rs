//! What the service writes about itself: one line per request and events worth a line, on standard error.
//!
//! Lines go through a queue to a thread that writes them in batches, so that a slow or blocked reader of the log never
//! slows a request. When the queue is full, lines are dropped and counted.

mod lines;
mod usage_lines;

use std::io;

use tracing_subscriber::fmt::MakeWriter;

pub use self::lines::{LineQueue, LineWriter};
pub use self::usage_lines::UsageLines;
use super::config::LogConfig;

/// Sends all `tracing` events of valetkey to `lines`. Events of libraries are shown from `warn` on: at finer levels some
/// would show what they carry.
///
/// # Errors
/// When something else already collects events in this process.
pub fn init(config: LogConfig, lines: &LineQueue) -> Result<(), tracing_subscriber::util::TryInitError> {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::prelude::*;

    let others = config.level.min(LevelFilter::WARN);
    let filter = Targets::new().with_target("valetkey", config.level).with_default(others);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
    if config.json {
        registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
    } else {
        registry.with(layer.with_target(false).with_ansi(io::IsTerminal::is_terminal(&io::stderr()))).try_init()
    }
}

/// Writes where something panicked to the log, in place of what Rust would write on standard error by itself. Words that
/// were put together may hold what the log must not; those that stand in the program may be shown.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let words = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(place, words, thread = thread.name(), "A panic at {place}");
    }));
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
