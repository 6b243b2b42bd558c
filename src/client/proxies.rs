//! The next hops of all calls to the service: those that the app has chosen, or those that the system names. Both can change
//! while the client runs.

use std::sync::{Arc, Mutex};

use super::proxy_choice::ProxyChoice;
use crate::lock::lock;
use crate::transport::http_proxy::HttpProxy;
use crate::transport::next_hop::{NextHop, NextHops, SystemProxies};
use crate::transport::origin::Origin;

/// Reads which HTTP proxies the environment and the system name; tests pass their own.
pub type ReadSystemProxies = Arc<dyn Fn() -> SystemProxies + Send + Sync>;

/// The next hops of one client.
pub(super) struct Proxies {
    source: Mutex<Source>,
    read: ReadSystemProxies,
    /// The services of the app, the one whose way is shown first.
    services: Vec<Arc<Origin>>,
}

enum Source {
    System(Box<SystemProxies>),
    App(Arc<NextHops>),
}

impl Proxies {
    /// `services` must not be empty.
    #[must_use]
    pub(super) fn new(choice: &ProxyChoice, read: ReadSystemProxies, services: Vec<Arc<Origin>>) -> Self {
        let source = Mutex::new(Source::of(choice, &read));
        Self { source, read, services }
    }

    /// The next hops to `origin`. An origin on this machine is always reached directly.
    #[must_use]
    pub(super) fn hops_to(&self, origin: &Origin) -> Arc<NextHops> {
        lock(&self.source).hops_to(origin)
    }

    /// The proxy that a connection to `origin` tries first, if it tries one.
    #[must_use]
    pub(super) fn proxy_for(&self, origin: &Origin) -> Option<HttpProxy> {
        self.hops_to(origin).proxy().cloned()
    }

    /// The proxy of the service whose way is shown, as its address without credentials.
    #[must_use]
    pub(super) fn shown(&self) -> Option<String> {
        let service = self.services.first()?;
        self.proxy_for(service).map(|proxy| proxy.to_string())
    }

    #[must_use]
    pub(super) fn are_of_system(&self) -> bool {
        matches!(&*lock(&self.source), Source::System(_))
    }

    /// Follows another choice of the app from now on. True if a next hop to one of the services differs.
    pub(super) fn choose(&self, choice: &ProxyChoice) -> bool {
        self.replace(Source::of(choice, &self.read))
    }

    /// Reads the system's proxies again, if they count. True if a next hop to one of the services differs.
    pub(super) fn read_again(&self) -> bool {
        self.are_of_system() && self.replace(Source::System(Box::new((self.read)())))
    }

    fn replace(&self, now: Source) -> bool {
        let mut source = lock(&self.source);
        let differs = |service: &Arc<Origin>| source.hops_to(service).hops() != now.hops_to(service).hops();
        let is_news = self.services.iter().any(differs);
        // Hops that have not changed keep what they know of which can be reached.
        if is_news || matches!((&*source, &now), (Source::System(_), _) | (_, Source::System(_))) {
            *source = now;
        }
        is_news
    }

    /// The host and port of `origin`, and the HTTP proxy in between if there is one; no credentials.
    #[must_use]
    pub(super) fn way_to(&self, origin: &Origin) -> String {
        let uri = origin.connect_uri();
        let address = uri.authority().map(ToString::to_string).unwrap_or_default();
        match self.proxy_for(origin) {
            Some(proxy) => format!("{address} through the proxy {proxy}"),
            None => address,
        }
    }
}

impl Source {
    fn of(choice: &ProxyChoice, read: &ReadSystemProxies) -> Self {
        match &choice.hops {
            Some(hops) => Self::App(Arc::new(NextHops::new(hops.clone()))),
            None => Self::System(Box::new(read())),
        }
    }

    fn hops_to(&self, origin: &Origin) -> Arc<NextHops> {
        match self {
            Self::System(proxies) => Arc::new(proxies.hops_to(origin)),
            Self::App(_) if origin.is_loopback() => Arc::new(NextHops::new(vec![NextHop::Direct])),
            Self::App(hops) => Arc::clone(hops),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Arc<Origin> {
        Arc::new(Origin::parse(url).unwrap())
    }

    #[test]
    fn f112_a_proxy_of_the_system_that_changed_is_followed_and_told_once() {
        let named = Arc::new(Mutex::new("http://u:canary@first.example:3128"));
        let read = Arc::clone(&named);
        let read = Arc::new(move || SystemProxies::named(&lock(&read), ""));
        let claude = origin("https://claude.example");
        let proxies = Proxies::new(&ProxyChoice::default(), read, vec![Arc::clone(&claude)]);
        assert_eq!(proxies.way_to(&claude), "claude.example:443 through the proxy http://first.example:3128");
        assert!(!proxies.read_again());
        *lock(&named) = "http://second.example:3128";
        assert_eq!(proxies.shown().unwrap(), "http://first.example:3128", "it is read when somebody looks again");
        assert_eq!((proxies.read_again(), proxies.read_again()), (true, false));
        assert_eq!(proxies.shown().unwrap(), "http://second.example:3128");
        *lock(&named) = "";
        assert!(proxies.read_again() && proxies.shown().is_none());
    }

    #[test]
    fn f111_a_choice_of_the_app_goes_over_the_system_and_never_over_the_loopback() {
        let read: ReadSystemProxies = Arc::new(|| SystemProxies::named("http://system.example:3128", ""));
        let (claude, here) = (origin("https://claude.example"), origin("http://127.0.0.1:3001"));
        let proxies = Proxies::new(&ProxyChoice::default(), read, vec![Arc::clone(&claude), Arc::clone(&here)]);
        let chosen = ProxyChoice::parse("PROXY app.example:8080; DIRECT").unwrap();
        assert_eq!((proxies.choose(&chosen), proxies.choose(&chosen)), (true, false));
        assert_eq!((proxies.shown().unwrap().as_str(), proxies.read_again()), ("http://app.example:8080", false));
        assert_eq!((proxies.proxy_for(&here), proxies.way_to(&here).as_str()), (None, "127.0.0.1:3001"));
        assert!(proxies.choose(&ProxyChoice::parse("direct").unwrap()) && proxies.shown().is_none());
        assert!(proxies.choose(&ProxyChoice::default()) && proxies.shown().is_some());
    }
}
