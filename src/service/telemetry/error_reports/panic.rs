//! A panic, as far as it may be told.

use std::panic::PanicHookInfo;

/// A panic, as far as it may be told.
#[derive(Debug)]
pub struct Panic {
    /// The name of its thread.
    pub thread: String,
    /// File, line and column.
    pub location: String,
    /// What it said, or why that is not told.
    pub message: &'static str,
}

impl Panic {
    /// Reads where a panic was. Its message is kept only if it stands in the code as it is: a message that was put
    /// together may quote what a request said.
    pub fn of(info: &PanicHookInfo<'_>) -> Self {
        Self {
            thread: std::thread::current().name().unwrap_or("unnamed").to_owned(),
            location: info.location().map_or_else(|| "unknown".to_owned(), ToString::to_string),
            message: info.payload().downcast_ref::<&'static str>().copied().unwrap_or(WITHHELD),
        }
    }
}

const WITHHELD: &str = "the message is withheld, because it may quote what a request said";
