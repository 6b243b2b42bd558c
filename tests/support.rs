//! What the integration tests stand on: a running service, a recorder for usage, plain HTTP.

#![allow(dead_code, reason = "each test target uses its own part")]

#[path = "../examples/stand_in/upstream.rs"]
pub mod upstream;

#[cfg(feature = "client")]
#[path = "support/client.rs"]
pub mod client;
#[path = "support/http.rs"]
pub mod http;
#[path = "support/raw.rs"]
pub mod raw;
#[path = "support/service.rs"]
pub mod service;
#[cfg(feature = "client")]
#[path = "support/store.rs"]
pub mod store;
#[path = "support/usage.rs"]
pub mod usage;
