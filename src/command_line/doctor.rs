//! `valetkey doctor`: reports what is wrong with this set-up, and what to do about it.

use std::process::ExitCode;

use serde_json::json;
use valetkey::clock::SystemClock;
use valetkey::service::config::{Config, Flags};
use valetkey::service::diagnose::doctor::{self, Finding, Verdict};

use super::{EX_USAGE, print, say};

/// Runs all checks and prints the findings; succeeds if no finding is a problem.
pub(crate) fn doctor(flags: &Flags, as_json: bool) -> ExitCode {
    let config = match Config::read(flags) {
        Ok(config) => config,
        Err(problems) => {
            show(&doctor::without_configuration(&problems), as_json);
            return ExitCode::from(EX_USAGE);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&error);
            return ExitCode::FAILURE;
        }
    };
    let findings = runtime.block_on(doctor::examine(&config, &SystemClock));
    // A DNS look-up may hang on one of the runtime's threads; do not wait for it.
    runtime.shutdown_background();
    show(&findings, as_json);
    if is_healthy(&findings) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(findings: &[Finding], as_json: bool) {
    if as_json {
        return print(&format!("{:#}", json!({ "healthy": is_healthy(findings), "findings": findings })));
    }
    for finding in findings {
        print(&finding.to_string());
    }
}

fn is_healthy(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict != Verdict::Problem)
}
