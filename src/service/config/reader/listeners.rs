//! Whether clients and administrators can both be listened for.

use std::net::{IpAddr, SocketAddr};

use super::Reader;

impl Reader {
    /// Refuses one port for both. That the two share it would not show: the system hands connections to either.
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

/// Whether a connection can be meant for both.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one == other || covers(one, other) || covers(other, one)
}

/// Whether who listens at `wide` also gets what is for `address`: `[::]` takes IPv4 too.
fn covers(wide: IpAddr, address: IpAddr) -> bool {
    wide.is_unspecified() && (wide.is_ipv6() || address.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_overlap_with_each_of_them() {
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
