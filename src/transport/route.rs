//! The way from this machine to another, which changes with the network.

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// The address from which this machine reached another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    peer: SocketAddr,
    local: IpAddr,
}

impl Route {
    /// The present way to `peer`; `None` if there is none.
    pub(super) fn to(peer: SocketAddr) -> Option<Self> {
        local_address(peer).map(|local| Self { peer, local })
    }

    /// Whether this machine now reaches its peer from another address. A machine without any way to it may get the former
    /// address back, and its connections live on then.
    pub(super) fn has_changed(self) -> bool {
        local_address(self.peer).is_some_and(|local| local != self.local)
    }

    /// A way to the same peer from an address that no machine has (RFC 5737).
    #[cfg(test)]
    pub(super) fn moved(self) -> Self {
        Self { local: IpAddr::from([192, 0, 2, 1]), ..self }
    }
}

/// The address that the system chooses for `peer`. A datagram socket that is connected sends nothing.
fn local_address(peer: SocketAddr) -> Option<IpAddr> {
    let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, None).ok()?;
    socket.connect(&peer.into()).ok()?;
    socket.local_addr().ok()?.as_socket().map(|local| local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f81_a_route_changes_with_the_address_of_this_machine() {
        let route = Route::to(SocketAddr::from(([127, 0, 0, 1], 9))).unwrap();
        assert_eq!((route.local, route.has_changed()), (IpAddr::from([127, 0, 0, 1]), false));
        assert!(route.moved().has_changed());
    }

    /// Linux routes nothing to the broadcast address for a socket that did not ask for it.
    #[cfg(target_os = "linux")]
    #[test]
    fn f81_a_route_that_is_gone_has_not_changed() {
        let peer = SocketAddr::from(([255, 255, 255, 255], 9));
        assert!(Route::to(peer).is_none());
        assert!(!Route { peer, local: IpAddr::from([192, 0, 2, 1]) }.has_changed());
    }
}
