//! One HTTP hop, shared by the loopback proxy and the service.
//!
//! A request comes in through [`serve`], its body is taken by [`hold`], its headers are cleaned by [`headers`], and
//! [`upstream`] sends it on over a pooled connection; the answer goes back as a [`relay`] that drives the upstream
//! connection itself, so no second task stands between the two sockets.

pub mod connect;
pub mod cors;
pub mod credentials;
pub mod headers;
pub mod hold;
mod linger;
pub mod origin;
pub mod path;
mod patience;
pub mod problem;
pub mod recall;
pub mod relay;
pub mod reply;
pub mod request_head;
pub mod request_id;
pub mod serve;
pub mod shutdown;
mod silence;
pub mod tls;
pub mod upstream;
mod write_stall;
