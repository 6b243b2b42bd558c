//! Random numbers that are the same at every run (`SplitMix64`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::service::govern::leak::network::Network;
use crate::service::govern::leak::program::Program;

pub(super) struct Random(u64);

impl Random {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.bits() >> 32).unwrap()) / f64::from(u32::MAX)
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// As many small ones as large ones: uniform in the logarithm.
    pub(super) fn spread(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.unit())
    }

    pub(super) fn chance(&mut self, of: f64) -> bool {
        self.unit() < of
    }

    pub(super) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.bits() % u64::try_from(count).unwrap()).unwrap()
    }

    /// A v4 network that is no neighbour of another.
    pub(super) fn v4(&mut self) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(self.bits() >> 32).unwrap())))
    }

    /// One of the 256 networks around `network`.
    pub(super) fn neighbour(&mut self, network: Network) -> Network {
        let Network::V4(bits) = network else { return network };
        Network::V4((bits & !0xff) | u32::try_from(self.bits() & 0xff).unwrap())
    }

    pub(super) fn v6(&mut self) -> Network {
        Network::of(IpAddr::V6(Ipv6Addr::from_bits((0x2 << 124) | (u128::from(self.bits() >> 4) << 64))))
    }

    /// Another address in a v6 network, as privacy extensions make one for each day or connection.
    pub(super) fn within(&mut self, network: Network) -> Network {
        let Network::V6(bits) = network else { return network };
        let host = u128::from(self.bits()) << 16 | u128::from(self.bits() & 0xffff);
        Network::of(IpAddr::V6(Ipv6Addr::from_bits((u128::from(bits) << 80) | host)))
    }

    pub(super) fn program(&mut self) -> Program {
        Program(self.bits().max(1))
    }
}
