//! The hosts that the listeners answer to.
//!
//! A web page whose name an attacker points at this machine (DNS rebinding) sends its own name in `Host`. A listener on
//! loopback therefore answers to names of loopback, to the host of `PROXY_BASE_URL` and to `ALLOWED_HOSTS`, and to
//! nothing else. One beyond loopback checks only if `ALLOWED_HOSTS` is set: the names that lead to it are the network's
//! business.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::transport::named_host::NamedHost;
use crate::transport::origin::Origin;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// The hosts that the settings name.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts {
    /// `ALLOWED_HOSTS`.
    pub listed: Vec<AllowedHost>,
    /// The host of `PROXY_BASE_URL`, with any port.
    pub of_base_url: Option<AllowedHost>,
}

/// A host, and perhaps the one port that must stand behind it. Clients leave out the default port of a scheme, so none
/// stands for 80 and for 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    name: HostName,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostName {
    /// A name, or an IPv4 address.
    Text(Box<str>),
    /// What is in brackets: one address has several texts (RFC 4291 §2.2).
    Ipv6(Ipv6Addr),
}

/// What one listener asks of `Host`. Clones share the hosts.
#[derive(Clone)]
pub(crate) struct HostCheck {
    hosts: Arc<ArcSwap<AllowedHosts>>,
    is_loopback: bool,
}

impl AllowedHost {
    /// Reads `a.example` or `a.example:8080`. `None` if it is no host.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let named = NamedHost::parse(text.as_bytes())?;
        Some(Self { name: HostName::of(&named), port: named.port })
    }

    /// The host of an address, with any port.
    pub(crate) fn of(origin: &Origin) -> Option<Self> {
        let named = NamedHost::parse(origin.authority().as_bytes())?;
        Some(Self { name: HostName::of(&named), port: None })
    }

    fn is(&self, named: &NamedHost<'_>) -> bool {
        let is_port = match (self.port, named.port) {
            (None, _) | (Some(80 | 443), None) => true,
            (listed, named) => listed == named,
        };
        is_port && self.name.is(named.name())
    }
}

impl HostName {
    fn of(named: &NamedHost<'_>) -> Self {
        let name = named.name();
        ipv6(name).map_or_else(|| Self::Text(name.into()), Self::Ipv6)
    }

    fn is(&self, name: &str) -> bool {
        match self {
            Self::Text(text) => text.eq_ignore_ascii_case(name),
            Self::Ipv6(address) => ipv6(name) == Some(*address),
        }
    }
}

/// The address in brackets, if there are brackets.
fn ipv6(name: &str) -> Option<Ipv6Addr> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

impl AllowedHosts {
    fn allow(&self, named: &NamedHost<'_>) -> bool {
        self.listed.iter().chain(&self.of_base_url).any(|host| host.is(named))
    }
}

impl HostCheck {
    /// The check of the listener at `address`.
    pub(crate) fn at(address: SocketAddr, hosts: &Arc<ArcSwap<AllowedHosts>>) -> Self {
        Self { hosts: Arc::clone(hosts), is_loopback: address.ip().is_loopback() }
    }

    /// Judges the host that a request names. A request that names none is from a client of HTTP/1.0 and not from a page.
    pub(crate) fn check(&self, host: Option<NamedHost<'_>>) -> Result<(), Problem> {
        let Some(named) = host else { return Ok(()) };
        if named.is_loopback() {
            return Ok(());
        }
        let hosts = self.hosts.load();
        let is_checked = self.is_loopback || !hosts.listed.is_empty();
        if !is_checked || hosts.allow(&named) {
            return Ok(());
        }
        let message =
            format!("This service does not answer to the host {}: ALLOWED_HOSTS does not list it", named.name());
        Err(Problem::new(ErrorCode::OriginForbidden, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(at: &str, listed: &[&str], base_url: Option<&str>, host: &'static str) -> bool {
        let hosts = AllowedHosts {
            listed: listed.iter().map(|text| AllowedHost::parse(text).unwrap()).collect(),
            of_base_url: base_url.and_then(|url| AllowedHost::of(&Origin::parse(url).unwrap())),
        };
        let check = HostCheck::at(at.parse().unwrap(), &Arc::new(ArcSwap::from_pointee(hosts)));
        check.check(NamedHost::parse(host.as_bytes())).is_ok()
    }

    #[test]
    fn a35_on_loopback_only_names_of_loopback_and_those_of_the_settings_are_answered() {
        let (listed, base_url) = (["a.example", "b.example:8443", "[2001:db8::1]"], Some("https://c.example/base"));
        for host in [
            "localhost:3001",
            "127.0.0.1",
            "[::1]:1",
            "a.example",
            "A.Example.:1",
            "b.example:8443",
            "[2001:db8::1]:443",
            "c.example",
            "c.example:3001",
        ] {
            assert!(allowed("127.0.0.1:3001", &listed, base_url, host), "{host}");
            assert!(allowed("10.0.0.1:3001", &listed, base_url, host), "{host}");
        }
        for host in ["evil.example", "evil.example:3001", "x.a.example", "b.example", "b.example:3001", "10.0.0.1:3001"]
        {
            assert!(!allowed("127.0.0.1:3001", &listed, base_url, host), "{host}");
            assert!(!allowed("[::1]:3001", &[], None, host), "{host}");
            assert!(!allowed("0.0.0.0:3001", &listed, base_url, host), "{host}");
        }
    }

    #[test]
    fn a35_a_host_that_is_listed_with_a_default_port_is_answered_without_one() {
        for listed in ["a.example:443", "a.example:80"] {
            for (host, is_answered) in
                [("a.example", true), (listed, true), ("a.example:8443", false), ("b.example", false)]
            {
                assert_eq!(allowed("127.0.0.1:3001", &[listed], None, host), is_answered, "{listed} {host}");
            }
        }
    }

    #[test]
    fn a35_an_ipv6_address_is_the_same_host_however_it_is_written() {
        for (listed, base_url) in [
            (&["[2001:0db8::1]"][..], None),
            (&["[2001:DB8:0:0:0:0:0:1]:443"][..], None),
            (&[][..], Some("https://[2001:db8:0::0001]/base")),
        ] {
            for (host, is_answered) in [
                ("[2001:db8::1]", true),
                ("[2001:0DB8:0000::0.0.0.1]", true),
                ("[2001:db8::2]", false),
                ("2001", false),
                ("db8.example", false),
            ] {
                assert_eq!(allowed("127.0.0.1:3001", listed, base_url, host), is_answered, "{listed:?} {host}");
            }
        }
    }

    #[test]
    fn a35_beyond_loopback_every_host_is_answered_until_some_are_listed() {
        assert!(allowed("0.0.0.0:3001", &[], Some("https://c.example"), "other.example"));
        assert!(!allowed("0.0.0.0:3001", &["a.example"], None, "other.example"));
    }

    #[test]
    fn a_request_of_http_1_0_without_host_is_answered() {
        let check = HostCheck::at("127.0.0.1:1".parse().unwrap(), &Arc::default());
        assert!(check.check(None).is_ok());
    }
}
