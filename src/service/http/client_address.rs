//! The address of a client: the peer of its connection, or the address that a proxy in `TRUSTED_PROXIES` reports.
//!
//! A proxy appends the address of its peer at the right of `X-Forwarded-For`. So the list is read from the right, only
//! as long as each hop is a trusted proxy: any client may have written the entries further left. The handler calls this
//! for every request; an unreadable entry ends the search at the hop before it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

#[derive(Debug)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientAddress {
    /// An IPv4 address mapped into IPv6 is stored as IPv4.
    pub ip: IpAddr,
    /// `None` if a proxy reported the address.
    port: Option<u16>,
}

impl TrustedProxies {
    /// Trusts the proxies in `networks`; an empty list trusts no proxy.
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The client of a request from `peer`. Without `X-Forwarded-For` this reads `Forwarded` (RFC 7239).
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> ClientAddress {
        let nearest = peer.ip().to_canonical();
        let direct = ClientAddress { ip: nearest, port: Some(peer.port()) };
        if !self.believes(nearest) {
            return direct;
        }
        let ip = if headers.contains_key(X_FORWARDED_FOR) {
            self.furthest(nearest, entries(headers, X_FORWARDED_FOR).map(address))
        } else {
            self.furthest(nearest, entries(headers, FORWARDED).map(forwarded_for))
        };
        if ip == nearest { direct } else { ClientAddress { ip, port: None } }
    }

    /// Follows the hops as long as they are trusted. An unreadable hop ends the search at the hop before it.
    fn furthest(&self, nearest: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut furthest = nearest;
        for hop in hops.take(MOST_HOPS).map_while(|hop| hop) {
            furthest = hop;
            if !self.believes(hop) {
                break;
            }
        }
        furthest
    }

    fn believes(&self, ip: IpAddr) -> bool {
        let mapped = match ip {
            IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
            IpAddr::V6(_) => ip,
        };
        self.0.iter().any(|network| network.contains(&ip) || network.contains(&mapped))
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// The entries of a list header over all its lines, the last one first, without empty ones (RFC 9110 §5.6.1.2).
fn entries<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter().rev();
    let entries = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}

/// An address as proxies write it: bare, in brackets, and with or without a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(ip.to_canonical())
}

/// The `for` of an element of `Forwarded` (RFC 7239 §4); `None` for `unknown` and obfuscated names.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (pair[..at].trim_ascii_end(), pair[at + 1..].trim_ascii_start());
        if name.eq_ignore_ascii_case(b"for") {
            let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
            let ip = address(unquoted.unwrap_or(value))?;
            if found.replace(ip).is_some() {
                return None;
            }
        }
    }
    found
}

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";

/// Most hops that are followed; a longer list only costs time.
const MOST_HOPS: usize = 32;

#[cfg(test)]
mod tests;
