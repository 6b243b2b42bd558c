//! The service over real HTTP, against the stand-in upstream.

#[path = "../support.rs"]
mod support;

mod relay;
