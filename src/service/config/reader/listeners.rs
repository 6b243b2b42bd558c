//! Checks that the listeners of clients and of administrators do not collide.

use std::net::{IpAddr, SocketAddr};

use super::Reader;

impl Reader {
    /// Refuses one port for both. A shared port would go unnoticed: the system hands each connection to one of the two
    /// listeners.
    pub(in crate::service::config) fn two_listeners(&mut self, clients: SocketAddr, administrators: SocketAddr) {
        let port = administrators.port();
        if port != 0 && port == clients.port() && overlap(clients.ip(), administrators.ip()) {
            self.wrong(
                "ADMIN_PORT",
                format!("{port} is the PORT of clients too, and ADMIN_HOST does not tell them apart"),
            );
        }
    }
}

/// Whether a connection could reach both listeners.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one == other || covers(one, other) || covers(other, one)
}

/// Whether a listener at `wide` also gets connections to `address`: `[::]` takes IPv4 too.
fn covers(wide: IpAddr, address: IpAddr) -> bool {
    wide.is_unspecified() && (wide.is_ipv6() || address.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_address_overlaps_with_every_address() {
        for (one, other, expected) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0", "127.0.0.1", true),
            ("0.0.0.0", "::1", false),
            ("::", "127.0.0.1", true),
            ("::", "0.0.0.0", true),
            ("127.0.0.1", "::1", false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }
}
