//! What only shows under load. These tests want the machine: one runs at a time, and no other target beside them.

#![allow(clippy::unwrap_used, reason = "a test, or a tool for tests, ends at what it does not expect")]
#![allow(clippy::pedantic, reason = "in tests the sentence counts")]
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(unreachable_pub, reason = "nothing here is reached from outside")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it says is for whoever runs it")]

use tokio::sync::{Mutex, MutexGuard};

#[path = "../support.rs"]
mod support;

mod limits;
mod mixed;
mod revocation;
mod streams;

/// Held by the test that runs.
static MACHINE: Mutex<()> = Mutex::const_new(());

async fn alone() -> MutexGuard<'static, ()> {
    MACHINE.lock().await
}
