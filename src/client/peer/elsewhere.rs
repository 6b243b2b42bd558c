//! macOS and Windows tell the owner of a TCP connection by calls for which there is no safe Rust.

use std::net::SocketAddr;

use super::owner::{Owner, PeerCheck};

pub(super) struct SystemCheck;

impl SystemCheck {
    pub(super) fn new() -> Self {
        Self
    }
}

impl PeerCheck for SystemCheck {
    fn owner(&self, _peer: SocketAddr, _own: SocketAddr) -> Owner {
        Owner::Unknown
    }
}
