//! Claude in a desktop app with no API key on the machine.
//!
//! Read in this order: [`wire`] is the contract between the two ends; [`transport`] carries one HTTP hop and serves
//! both; `client` runs in the app and holds the short-lived wrapper token; `service` runs on a server and holds the
//! real key. `docs/ARCHITECTURE.md` follows a request and a credential file by file.
//!
//! Features are checked in this file only; no other module changes with a feature.

pub mod clock;
mod lock;
mod random;
pub mod secret;
pub mod transport;
pub mod wire;

#[cfg(feature = "client")]
pub mod client;

#[cfg(feature = "service")]
pub mod service;

#[cfg(feature = "addon")]
pub mod addon;

#[cfg(any(feature = "fuzzing", all(test, feature = "service")))]
pub mod fuzzing;
