//! The client over real HTTP, against a scripted service.

#![allow(clippy::unwrap_used, reason = "a test or a tool for tests panics at the unexpected")]
#![allow(clippy::pedantic, reason = "tests are written to be read")]
#![allow(clippy::disallowed_methods, reason = "tests measure real time")]
#![allow(unreachable_pub, reason = "nothing here is reached from outside")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person who runs it")]

mod address;
mod admission;
mod device_id;
mod device_key;
mod exposure;
mod flood;
mod hang;
mod keychain_return;
mod network;
mod outage;
mod panic;
mod processes;
mod proxies;
mod refresh_asks;
mod refresh_failure;
mod refresh_time;
mod refused;
mod regions;
mod relay;
mod renewal;
mod restored;
mod reveals;
#[cfg(target_os = "linux")]
mod secret_service;
mod sign_out;
#[cfg(unix)]
mod socket;
mod start;
mod storage;
mod targets;
mod told;
