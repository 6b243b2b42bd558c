//! The commands beside `serve`.

mod check;
mod doctor;

use std::io::Write;
use std::process::ExitCode;

pub(crate) use self::check::check;
pub(crate) use self::doctor::doctor;
use valetkey::service::config::ConfigProblem;

/// Tells every problem and answers the exit code for that.
pub(crate) fn refuse(problems: &[ConfigProblem]) -> ExitCode {
    for problem in problems {
        say(problem);
    }
    ExitCode::from(EX_USAGE)
}

/// Says what is wrong with the command, or gives the help that was asked for.
pub(crate) fn misused(error: &clap::Error) -> ExitCode {
    // If it cannot be written, the exit code is all there is to say.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS }
}

/// Where there is no log, what is wrong goes to standard error as it is.
pub(crate) fn say(said: &dyn std::fmt::Display) {
    // If it cannot be written, the exit code is all there is to say.
    let _ = writeln!(std::io::stderr(), "valetkey: {said}");
}

/// What was asked for goes to standard output.
fn print(text: &str) {
    let mut out = std::io::stdout();
    // Whoever has closed it does not want to read it.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// The command was used incorrectly (BSD `sysexits`).
const EX_USAGE: u8 = 64;
