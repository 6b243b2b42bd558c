//! The desktop half over real HTTP, against a scripted service.

#[path = "../support/http.rs"]
mod http;
