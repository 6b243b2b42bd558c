//! The output of `valetkey admin` on standard output and standard error.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::cell::escaped_lines;
use super::connection::Answer;
use super::error::CliError;
use super::table::{self, Column};

pub(super) struct Screen {
    /// The output is the API's own JSON.
    is_json: bool,
    is_terminal: bool,
    /// Width of the terminal; `None` for a file or a program, which get uncut lines.
    width: Option<u16>,
}

impl Screen {
    pub(super) fn new(is_json: bool) -> Self {
        let out = io::stdout();
        // Some terminals do not know their width and report 0.
        let width = terminal_size::terminal_size_of(&out).map(|(width, _)| width.0);
        Self { is_json, is_terminal: out.is_terminal(), width: width.filter(|width| *width > 0) }
    }

    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Writes one object, a line per column.
    pub(super) fn record(&self, answer: &Answer, columns: &[Column]) -> Result<(), CliError> {
        if self.is_json {
            return self.json(answer);
        }
        write(table::record(columns, &answer.json()?).as_bytes())
    }

    /// Writes a table with a line per row.
    pub(super) fn table(&self, columns: &[Column], rows: &[Value]) -> Result<(), CliError> {
        write(table::table(columns, rows, self.width).as_bytes())
    }

    /// Confirms a call that has no body in its answer.
    pub(super) fn done(&self, text: &str) -> Result<(), CliError> {
        if self.is_json { Ok(()) } else { write(format!("{text}\n").as_bytes()) }
    }

    /// Writes the JSON of an answer and a line feed.
    pub(super) fn json(&self, answer: &Answer) -> Result<(), CliError> {
        self.raw(&answer.bytes)?;
        write(b"\n")
    }

    /// Writes a text unchanged; for a terminal it is escaped, because a terminal obeys control characters.
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<(), CliError> {
        if self.is_terminal {
            return write(escaped_lines(&String::from_utf8_lossy(bytes)).as_bytes());
        }
        write(bytes)
    }
}

fn write(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(CliError::Output)
}
