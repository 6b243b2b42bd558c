//! The commands beside `serve`, and how all commands write to the terminal.

mod check;
mod doctor;
mod healthcheck;

use std::io::Write;
use std::process::ExitCode;

pub(crate) use self::check::check;
pub(crate) use self::doctor::doctor;
pub(crate) use self::healthcheck::healthcheck;
use valetkey::service::config::ConfigError;

/// Prints every problem, and returns the exit code for wrong usage.
pub(crate) fn refuse(problems: &[ConfigError]) -> ExitCode {
    for problem in problems {
        say(problem);
    }
    ExitCode::from(EX_USAGE)
}

/// Prints clap's complaint, or the help or version that was asked for.
pub(crate) fn misused(error: &clap::Error) -> ExitCode {
    // If it cannot be printed, the exit code is all that is left.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS }
}

/// Prints a message to standard error, for commands that have no log.
pub(crate) fn say(said: &dyn std::fmt::Display) {
    // If it cannot be printed, the exit code is all that is left.
    let _ = writeln!(std::io::stderr(), "valetkey: {said}");
}

/// Prints a command's result to standard output.
fn print(text: &str) {
    let mut out = std::io::stdout();
    // A reader that has closed standard output does not want the rest.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints a command's result as JSON.
pub(crate) fn print_json(result: &impl serde::Serialize) -> ExitCode {
    print(&serde_json::to_string_pretty(result).expect("the keys of results are texts"));
    ExitCode::SUCCESS
}

/// The exit code for a command that was used incorrectly (`EX_USAGE` of BSD's `sysexits.h`).
const EX_USAGE: u8 = 64;
