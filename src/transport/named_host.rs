//! The value of `Host`, read once for both proxies (RFC 9110 §7.2).

use std::net::{Ipv4Addr, Ipv6Addr};

/// A name or an address, and perhaps a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedHost<'a> {
    name: &'a str,
    /// `None` without a port, and for an empty one, which RFC 3986 §3.2.3 allows.
    pub port: Option<u16>,
}

impl<'a> NamedHost<'a> {
    /// Reads the text of a header or of a setting. `None` if it is no host: RFC 3986 §3.2.2 also allows a name to have
    /// percent-encoding and marks such as `!`, but no host on the web is called so.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (name, port) = split(std::str::from_utf8(value).ok()?)?;
        let port = match port {
            "" => None,
            // A number as Rust reads it may begin with a plus.
            port if port.starts_with('+') => return None,
            port => Some(port.parse().ok()?),
        };
        is_name(name).then_some(Self { name, port })
    }

    /// The name without the dot at its end, which changes nothing about where it leads, or the address; an IPv6 address
    /// is in brackets.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name.strip_suffix('.').unwrap_or(self.name)
    }

    /// Whether the host can only mean this machine: `localhost`, or a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let name = self.name();
        match in_brackets(name) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
            None => {
                name.eq_ignore_ascii_case("localhost")
                    || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// The name and the text of the port.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (name, rest) = text.split_at(end);
    if rest.is_empty() { Some((name, "")) } else { Some((name, rest.strip_prefix(':')?)) }
}

fn is_name(name: &str) -> bool {
    match in_brackets(name) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !matches!(name, "" | ".") && name.len() <= LONGEST && name.bytes().all(is_of_a_name),
    }
}

fn in_brackets(name: &str) -> Option<&str> {
    name.strip_prefix('[')?.strip_suffix(']')
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Longer than any name of the DNS (RFC 1035 §2.3.4).
const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const MALFORMED: &[&str] = &[
        "",
        ".",
        ":",
        ":0",
        ":80",
        "a b",
        "a/b",
        "a@b",
        "user:password@a",
        "a?b",
        "a#b",
        "a\\b",
        "a,b",
        "a%00",
        "a\tb",
        "ä.example",
        "a:b",
        "a:80:80",
        "a:+80",
        "a:-1",
        "a: 80",
        "a:65536",
        "a:99999999999999999999",
        "[::1",
        "::1",
        "[::1]80",
        "[::1]:65536",
        "[]",
        "[a]",
        "[127.0.0.1]",
        "[::1%25lo]",
        "]",
        "http://a",
    ];

    #[test]
    fn a59_a_malformed_host_is_no_host() {
        let long = "a".repeat(LONGEST + 1);
        for host in MALFORMED.iter().copied().chain([long.as_str()]) {
            assert_eq!(NamedHost::parse(host.as_bytes()), None, "{host:?}");
        }
        assert_eq!(NamedHost::parse(b"a\xff"), None);
    }

    #[test]
    fn a_host_has_a_name_and_perhaps_a_port() {
        for (host, name, port) in [
            ("claude.example", "claude.example", None),
            ("Claude.Example.:8443", "Claude.Example", Some(8443)),
            ("a_b-c~d:", "a_b-c~d", None),
            ("192.0.2.1:0080", "192.0.2.1", Some(80)),
            ("[2001:db8::1]:65535", "[2001:db8::1]", Some(65535)),
        ] {
            let named = NamedHost::parse(host.as_bytes()).unwrap();
            assert_eq!((named.name(), named.port), (name, port), "{host}");
        }
    }

    #[test]
    fn a35_only_names_of_loopback_are_loopback() {
        let is_loopback = |host: &str| NamedHost::parse(host.as_bytes()).unwrap().is_loopback();
        for host in ["localhost", "LocalHost.:1", "127.0.0.1", "127.1.2.3:80", "[::1]:3001", "[0:0:0:0:0:0:0:1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
