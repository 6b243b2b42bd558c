//! A network: the part of an address that stays as long as a device stays where it is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A v4 /24 or a v6 /48. Privacy addresses of v6 change within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// The first 24 bits.
    V4(u32),
    /// The first 48 bits.
    V6(u64),
}

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits() >> 8),
            IpAddr::V6(v6) => {
                let [first, second, third, ..] = v6.segments().map(u64::from);
                Self::V6((first << 32) | (second << 16) | third)
            }
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        text.parse::<IpNet>().ok().map(|network| Self::of(network.addr()))
    }

    /// The distance to `other`, from 0 to 1. At 0 both may be the same place: a provider that hides its customers
    /// behind few addresses (CGNAT) changes them from one connection to the next, among neighbours. A v4 network and a
    /// v6 network are one place too, because many devices have both.
    pub(super) fn distance(self, other: Self) -> f32 {
        match (self, other) {
            (Self::V4(one), Self::V4(other)) => match ((one ^ other) << 8).leading_zeros() {
                16.. => 0.0,
                12.. => NEARBY,
                _ => 1.0,
            },
            (Self::V6(one), Self::V6(other)) => match ((one ^ other) << 16).leading_zeros() {
                48.. => 0.0,
                40.. => NEARBY,
                _ => 1.0,
            },
            _ => 0.0,
        }
    }

    pub(super) fn is_v6(self) -> bool {
        matches!(self, Self::V6(_))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4(bits) => write!(f, "{}/24", Ipv4Addr::from_bits(bits << 8)),
            Self::V6(bits) => write!(f, "{}/48", Ipv6Addr::from_bits(u128::from(bits) << 80)),
        }
    }
}

/// Far enough to be another place, and near enough to be the same provider.
const NEARBY: f32 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::of(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_known_by_its_network_only() {
        for (address, expected) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ] {
            assert_eq!(network(address).to_string(), expected);
            assert_eq!(Network::parse(expected), Some(network(address)));
        }
        assert_eq!(Network::parse("203.0.113.77"), None);
    }

    #[test]
    fn neighbours_are_one_place_and_strangers_are_not() {
        for (one, other, near, far) in [
            ("203.0.113.1", "203.0.113.200", true, false),
            ("203.0.113.1", "203.0.7.1", true, false),
            ("203.0.113.1", "203.7.113.1", false, false),
            ("203.0.113.1", "198.51.100.1", false, true),
            ("2001:db8:1::1", "2001:db8:1:ffff::1", true, false),
            ("2001:db8:1::1", "2001:db8:2::1", false, false),
            ("2001:db8:1::1", "2001:db8:f000::1", false, true),
            ("203.0.113.1", "2001:db8:1::1", true, false),
        ] {
            let distance = network(one).distance(network(other));
            assert_eq!((distance <= 0.0, distance >= 1.0), (near, far), "{one} {other}");
        }
    }
}
