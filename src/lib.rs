//! Claude in a desktop app with no API key on the machine.
//!
//! Read in this order; each module imports only those above it. [`wire`] is the contract between the two ends;
//! [`transport`] carries one HTTP hop and serves both; `client` runs in the app and holds the short-lived wrapper token;
//! `service` runs on a server and holds the real key; `addon` is the client's face in Node. `client` and `service` never
//! import each other. `docs/ARCHITECTURE.md` is the map.
//!
//! Features are checked in this file only; no other module changes with a feature.

pub mod clock;
mod lock;
mod random;
pub mod secret;

pub mod wire;

pub mod transport;

#[cfg(feature = "client")]
pub mod client;

#[cfg(feature = "service")]
pub mod service;

#[cfg(feature = "addon")]
pub mod addon;

#[cfg(any(feature = "fuzzing", all(test, feature = "service")))]
#[path = "../fuzz/readers/readers.rs"]
pub mod fuzzing;
