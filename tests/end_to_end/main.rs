//! The client and the service together, against the stand-in upstream.

#![allow(clippy::unwrap_used, reason = "a test or a tool for tests panics at the unexpected")]
#![allow(clippy::pedantic, reason = "tests are written to be read")]
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(unreachable_pub, reason = "nothing here is reached from outside")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person who runs it")]

mod both;
mod bytes;
mod cancel;
mod device_key;
mod regions;
mod restart;
mod smuggling;
mod token;
