//! What `valetkey admin` writes, and where.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::cell::escaped_lines;
use super::connection::Answer;
use super::failure::Failure;
use super::table::{self, Column};

/// Standard output and standard error.
pub(super) struct Screen {
    /// Programs read the API's own JSON.
    is_json: bool,
    is_terminal: bool,
    /// Of a terminal; nothing is cut off for a file or a program.
    width: Option<usize>,
}

impl Screen {
    /// Tables, or the API's JSON.
    #[must_use]
    pub(super) fn new(is_json: bool) -> Self {
        let out = io::stdout();
        // Some terminals do not know how wide they are, and say 0.
        let width = terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
        Self { is_json, is_terminal: out.is_terminal(), width: width.filter(|width| *width > 0) }
    }

    /// Whether to write JSON.
    #[must_use]
    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    /// One thing: what `columns` say of it, one below the other.
    ///
    /// # Errors
    /// [`Failure::Output`], and [`Failure::Strange`] when the answer is no JSON.
    pub(super) fn record(&self, answer: &Answer, columns: &[Column]) -> Result<(), Failure> {
        if self.is_json {
            return self.json(answer);
        }
        write(table::record(columns, &answer.json()?).as_bytes())
    }

    /// Several things of one kind, a line each.
    ///
    /// # Errors
    /// [`Failure::Output`]
    pub(super) fn table(&self, columns: &[Column], rows: &[Value]) -> Result<(), Failure> {
        write(table::table(columns, rows, self.width).as_bytes())
    }

    /// Something that left no body was done.
    ///
    /// # Errors
    /// [`Failure::Output`]
    pub(super) fn done(&self, text: &str) -> Result<(), Failure> {
        if self.is_json { Ok(()) } else { write(format!("{text}\n").as_bytes()) }
    }

    /// The JSON of an answer, and the end of its line.
    ///
    /// # Errors
    /// [`Failure::Output`]
    pub(super) fn json(&self, answer: &Answer) -> Result<(), Failure> {
        self.raw(&answer.bytes)?;
        write(b"\n")
    }

    /// A text as it came. A terminal would obey what is in it, so there it is escaped.
    ///
    /// # Errors
    /// [`Failure::Output`]
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.is_terminal {
            return write(escaped_lines(&String::from_utf8_lossy(bytes)).as_bytes());
        }
        write(bytes)
    }
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::Output)
}
