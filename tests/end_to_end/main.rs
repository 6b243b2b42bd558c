//! Both halves together, against the stand-in upstream.

#![allow(clippy::unwrap_used, reason = "a test, or a tool for tests, ends at what it does not expect")]
#![allow(clippy::pedantic, reason = "in tests the sentence counts")]
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(unreachable_pub, reason = "nothing here is reached from outside")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it says is for whoever runs it")]

#[path = "../support.rs"]
mod support;

mod both;
mod bytes;
mod cancel;
mod device_key;
mod restart;
mod smuggling;
mod token;
