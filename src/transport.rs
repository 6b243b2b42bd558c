//! One HTTP hop, shared by the loopback proxy and the service.
//!
//! [`serve`] accepts a request, [`hold`] reads its body, [`headers`] cleans its headers, and [`upstream`] sends it over
//! a pooled connection. The response goes back as a [`relay`], which drives the upstream connection itself: no second
//! task stands between the two sockets.

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
