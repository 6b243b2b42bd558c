//! Checks whether the settings, and the files that they name, can be used.

use std::time::SystemTime;

use super::Finding;
use crate::service::config::Config;
use crate::service::diagnose::check;

/// Reports the findings of `valetkey check`.
pub(super) fn examine(config: &Config, now: SystemTime) -> Vec<Finding> {
    let problems = check::problems(config, now).into_iter();
    let problems = problems.map(|problem| Finding::problem(CHECK, problem.to_string(), ""));
    let warnings = check::warnings(config, now).into_iter();
    let warnings = warnings.map(|warning| Finding::warning(CHECK, warning.to_string(), ""));
    let findings: Vec<_> = problems.chain(warnings).collect();
    if findings.is_empty() {
        return vec![Finding::ok(CHECK, "good, and all files that it names can be used")];
    }
    findings
}

pub(super) const CHECK: &str = "configuration";
