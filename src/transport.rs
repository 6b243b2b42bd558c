//! One HTTP hop, shared by the loopback proxy and the service.
//!
//! [`serve`] accepts a request, [`buffered_body`] reads its body, [`headers`] cleans its headers, and [`upstream`] sends it over
//! a pooled connection. The response goes back as a [`relay`], which drives the upstream connection itself: no second
//! task stands between the two sockets. A [`masked`] one hides a secret.

pub mod buffered_body;
pub mod client_body;
mod client_stream;
pub mod connect;
mod connection_end;
pub mod cors;
pub mod credentials;
mod grace;
pub mod headers;
pub mod http_proxy;
mod idle_timeout;
pub mod masked;
pub mod named_host;
pub mod next_hop;
pub mod origin;
pub mod path;
pub mod problem;
pub mod relay;
pub mod reply;
pub mod request_head;
pub mod request_id;
pub mod revoke_signal;
pub mod root_cause;
mod route;
pub mod serve;
pub mod shutdown;
pub mod tls;
pub mod upstream;
