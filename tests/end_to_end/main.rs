//! Both halves together, against the stand-in upstream.

#[path = "../support.rs"]
mod support;

mod both;
mod bytes;
mod cancel;
mod restart;
mod smuggling;
mod token;
