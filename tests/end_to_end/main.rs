//! Both halves together, against the stand-in upstream.

#[path = "../support.rs"]
mod support;
