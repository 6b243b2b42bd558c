//! What the tests share: a scripted Anthropic API, services and clients inside a test, real Redis and PostgreSQL servers, and
//! HTTP down to single bytes. Only development builds this crate.

#![allow(clippy::unwrap_used, reason = "a test or a tool for tests panics at the unexpected")]
#![allow(clippy::pedantic, reason = "tests are written to be read")]
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person who runs it")]
#![allow(missing_docs, reason = "the tests beside it are its only users")]

#[cfg(feature = "client")]
pub mod client;
pub mod http;
pub mod legs;
#[cfg(feature = "service")]
pub mod service;
#[cfg(feature = "service")]
pub mod stores;
pub mod temporary;
pub mod upstream;
