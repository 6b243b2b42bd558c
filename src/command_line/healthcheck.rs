//! `valetkey healthcheck`: whether the service on this machine is well, as an exit code.

use std::process::ExitCode;

use valetkey::service::config::{Config, Flags};
use valetkey::service::diagnose::health::{self, Expected};

use super::{refuse, say};

/// Succeeds, and prints nothing, if the service is as expected. Settings of other parts may be wrong: a service that runs
/// keeps the good ones it has read.
pub(crate) fn healthcheck(flags: &Flags, expected: Expected) -> ExitCode {
    let (address, is_tls) = match Config::client_listener(flags) {
        Ok(listener) => listener,
        Err(problems) => return refuse(&problems),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&error);
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(health::examine(address, is_tls, expected)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::FAILURE
        }
    }
}
