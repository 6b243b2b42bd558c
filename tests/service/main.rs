//! The service over real HTTP, against the stand-in upstream.

#[path = "../support.rs"]
mod support;

mod binary;
mod control;
mod cors;
mod credentials;
mod disconnect;
mod first_byte;
mod headers;
mod many;
mod models;
mod process;
mod relay;
mod request_bodies;
mod response_bodies;
mod secrets;
mod shutdown;
mod sizes;
mod smuggling;
mod targets;
mod upstream_faults;
mod upstream_framing;
mod upstream_tls;
mod usage;
mod usage_encoded;
