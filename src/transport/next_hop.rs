//! The next hops of a connection that leaves this machine: the origin itself, or a proxy. There can be several, as in a PAC file.

use std::sync::Mutex;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::Instant;

use super::http_proxy::HttpProxy;
use super::origin::Origin;
use crate::lock::lock;

/// Where a connection to an origin leads first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextHop {
    /// To the origin.
    Direct,
    /// To a proxy, which opens a tunnel to the origin.
    Proxy(HttpProxy),
}

/// Next hops in the order in which they are tried; at least one.
#[derive(Debug)]
pub struct NextHops {
    hops: Vec<NextHop>,
    /// The hop that was reached when those before it were not, and until when it is tried first.
    preferred: Mutex<Option<(usize, Instant)>>,
}

/// The proxies that the environment names, else the system's settings on macOS and Windows.
#[derive(Debug)]
pub struct SystemProxies(Matcher);

impl NextHops {
    /// The hops in this order; without one the origin itself is.
    #[must_use]
    pub fn new(mut hops: Vec<NextHop>) -> Self {
        if hops.is_empty() {
            hops.push(NextHop::Direct);
        }
        Self { hops, preferred: Mutex::default() }
    }

    /// The hops in the order in which they are wanted.
    #[must_use]
    pub fn hops(&self) -> &[NextHop] {
        &self.hops
    }

    /// The proxy that is tried first, if a proxy is.
    #[must_use]
    pub fn proxy(&self) -> Option<&HttpProxy> {
        let first = lock(&self.preferred).filter(|(_, until)| Instant::now() < *until).map_or(0, |(place, _)| place);
        match &self.hops[first] {
            NextHop::Direct => None,
            NextHop::Proxy(proxy) => Some(proxy),
        }
    }

    /// The hops with their places, in the order in which they are to be tried now.
    pub(super) fn in_order(&self) -> Vec<(usize, &NextHop)> {
        let now = Instant::now();
        let preferred = lock(&self.preferred).filter(|(_, until)| now < *until).map(|(place, _)| place);
        let others = (0..self.hops.len()).filter(|place| Some(*place) != preferred);
        preferred.into_iter().chain(others).map(|place| (place, &self.hops[place])).collect()
    }

    /// Tries the hop at `place` first for a while, if others before it could not be reached.
    pub(super) fn reached(&self, place: usize, has_failures: bool) {
        if has_failures {
            *lock(&self.preferred) = (place > 0).then(|| (place, Instant::now() + PREFERENCE));
        }
    }
}

impl SystemProxies {
    /// Reads the environment and the system's settings.
    #[must_use]
    pub fn read() -> Self {
        Self(Matcher::from_system())
    }

    /// As if `HTTPS_PROXY` were `proxy` and `NO_PROXY` were `exceptions`; for tests.
    #[must_use]
    pub fn named(proxy: &str, exceptions: &str) -> Self {
        Self(Matcher::builder().all(proxy).no(exceptions).build())
    }

    /// The next hop to `origin`. An origin on this machine is always reached directly.
    #[must_use]
    pub fn hops_to(&self, origin: &Origin) -> NextHops {
        let proxy = if origin.is_loopback() { None } else { self.0.intercept(&origin.connect_uri()) };
        NextHops::new(proxy.iter().map(|proxy| NextHop::Proxy(proxy.into())).collect())
    }
}

/// How long browsers pass over a proxy that they could not reach.
const PREFERENCE: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(address: &str) -> NextHop {
        NextHop::Proxy(HttpProxy::parse(address).unwrap())
    }

    fn places(hops: &NextHops) -> Vec<usize> {
        hops.in_order().iter().map(|(place, _)| *place).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn f111_a_hop_that_was_reached_in_the_place_of_others_is_tried_first_for_five_minutes() {
        let hops = NextHops::new(vec![proxy("http://a:8080"), proxy("http://b:8080"), NextHop::Direct]);
        assert_eq!(places(&hops), [0, 1, 2]);
        hops.reached(1, false);
        assert_eq!(places(&hops), [0, 1, 2], "it was tried first");
        hops.reached(1, true);
        assert_eq!((places(&hops), hops.proxy().unwrap().to_string()), (vec![1, 0, 2], "http://b:8080".into()));
        tokio::time::advance(PREFERENCE).await;
        assert_eq!((places(&hops), hops.proxy().unwrap().to_string()), (vec![0, 1, 2], "http://a:8080".into()));
    }

    /// The forms that hyper-util knows; the page for Electron lists them.
    #[test]
    fn f114_no_proxy_takes_hosts_with_their_subdomains_addresses_networks_and_a_star() {
        let is_proxied = |exceptions, origin| {
            let proxies = SystemProxies::named("http://proxy.example:3128", exceptions);
            proxies.hops_to(&Origin::parse(origin).unwrap()).proxy().is_some()
        };
        for (exceptions, origin) in [
            ("claude.example", "https://claude.example"),
            ("CLAUDE.example", "https://claude.example:8443"),
            ("other.example, claude.example", "https://eu.claude.example"),
            (".claude.example", "https://eu.claude.example"),
            (".claude.example", "https://claude.example"),
            ("10.1.2.3", "https://10.1.2.3"),
            ("10.0.0.0/8", "https://10.1.2.3"),
            ("fd00::/8", "https://[fd00::1]"),
            ("*", "https://claude.example"),
            ("", "http://127.0.0.1:3001"),
            ("", "https://localhost"),
        ] {
            assert!(!is_proxied(exceptions, origin), "{exceptions} {origin}");
        }
        for (exceptions, origin) in [
            ("", "https://claude.example"),
            ("claude.example", "https://notclaude.example"),
            ("eu.claude.example", "https://claude.example"),
            ("claude.example:443", "https://claude.example"),
            ("*.claude.example", "https://eu.claude.example"),
            ("10.0.0.0/8", "https://192.168.1.1"),
        ] {
            assert!(is_proxied(exceptions, origin), "{exceptions} {origin}");
        }
    }
}
