//! The service over real HTTP, against the stand-in upstream.

#[path = "../support.rs"]
mod support;

mod headers;
mod relay;
mod request_bodies;
mod response_bodies;
