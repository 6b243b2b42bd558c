//! Behaviour that only shows under load. These tests need the whole machine: one runs at a time, and no other target
//! beside them.

#![allow(clippy::unwrap_used, reason = "a test or a tool for tests panics at the unexpected")]
#![allow(clippy::pedantic, reason = "tests are written to be read")]
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(unreachable_pub, reason = "nothing here is reached from outside")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person who runs it")]

use tokio::sync::{Mutex, MutexGuard};

mod limits;
mod mixed;
mod revocation;
mod streams;

/// Held by the test that runs.
static MACHINE: Mutex<()> = Mutex::const_new(());

async fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().await
}
