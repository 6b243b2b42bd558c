//! The support of the integration tests: a running service, a recorder for usage, plain HTTP.

#![allow(dead_code, reason = "each test target uses its own part")]

#[path = "../examples/stand_in/upstream.rs"]
pub mod upstream;

#[cfg(feature = "client")]
#[path = "support/client.rs"]
pub(crate) mod client;
#[cfg(feature = "service")]
#[path = "support/database.rs"]
pub(crate) mod database;
#[path = "support/forge.rs"]
pub(crate) mod forge;
#[path = "support/forwarder.rs"]
pub(crate) mod forwarder;
#[path = "support/http.rs"]
pub(crate) mod http;
#[path = "support/intake.rs"]
pub(crate) mod intake;
#[path = "support/legs.rs"]
pub(crate) mod legs;
#[cfg(feature = "service")]
#[path = "support/limits.rs"]
pub(crate) mod limits;
#[cfg(feature = "service")]
#[path = "support/otlp.rs"]
pub(crate) mod otlp;
#[cfg(all(unix, feature = "service"))]
#[path = "support/postgres.rs"]
pub(crate) mod postgres;
#[cfg(feature = "service")]
#[path = "support/prover.rs"]
pub(crate) mod prover;
#[path = "support/raw.rs"]
pub(crate) mod raw;
#[cfg(feature = "service")]
#[path = "support/redis.rs"]
pub(crate) mod redis;
#[path = "support/service.rs"]
pub(crate) mod service;
#[cfg(feature = "client")]
#[path = "support/store.rs"]
pub(crate) mod store;
#[path = "support/temporary.rs"]
pub(crate) mod temporary;
#[path = "support/tls.rs"]
pub(crate) mod tls;
#[path = "support/usage.rs"]
pub(crate) mod usage;
#[cfg(feature = "service")]
#[path = "support/usage_writer.rs"]
pub(crate) mod usage_writer;
#[path = "support/wire.rs"]
pub(crate) mod wire;
