//! The ways to reach an upstream, for tests that must pass over all of them.

use std::fmt::Debug;

use crate::upstream::Upstream;

/// The protocol between the service and the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// HTTP/1.1 without TLS.
    Plain,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    Http2,
}

impl Leg {
    pub const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Http2];

    pub fn upstream(self) -> Upstream {
        match self {
            Self::Plain => Upstream::start(),
            Self::Tls => Upstream::start_tls(&["http/1.1"]),
            Self::Http2 => Upstream::start_tls(&["h2", "http/1.1"]),
        }
    }
}

/// As `assert_eq!` for long bytes: a failure shows where the bytes differ, not all of them.
pub fn assert_same(left: &[u8], right: &[u8], what: impl Debug) {
    if left != right {
        let at = left.iter().zip(right).take_while(|(left, right)| left == right).count();
        let near = |bytes: &[u8]| String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 40)]).into_owned();
        let (lengths, near) = ((left.len(), right.len()), (near(left), near(right)));
        panic!("{what:?}: the bytes differ at {at}: lengths {lengths:?}, then {near:?}");
    }
}
