//! `valetkey check`: reports what is wrong with the configuration. It connects to nothing.

use std::process::ExitCode;
use std::time::SystemTime;

use valetkey::service::config::{Config, Flags};
use valetkey::service::diagnose::check;

use super::{print_json, refuse, say};

/// Prints the settings that would be in force, without secrets, or every problem.
pub(crate) fn check(flags: &Flags) -> ExitCode {
    let config = match Config::read(flags) {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };
    let now = SystemTime::now();
    for warning in check::warnings(&config, now) {
        say(&warning);
    }
    let problems = check::problems(&config, now);
    if !problems.is_empty() {
        return refuse(&problems);
    }
    print_json(&config.shown)
}
