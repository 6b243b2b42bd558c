//! Where requests are sent: set by the configuration (or by the service, for the desktop), never by a request.

use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use url::{Host, Url};

/// An `http` or `https` address, with an optional base path that goes in front of every request's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    url: Url,
    /// The value of `Host` (RFC 9110 §7.2).
    authority: HeaderValue,
    /// The base path without its trailing slash; mostly empty.
    prefix: Box<str>,
}

/// Why a text is not an [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The text is not a URL.
    #[error("is not a URL: {0}")]
    Syntax(#[from] url::ParseError),
    /// The scheme is neither `http` nor `https`.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// The URL holds credentials, a query or a fragment.
    #[error("must not hold a user, a password, a query or a fragment")]
    Extra,
}

impl Origin {
    /// Parses a base URL such as `https://api.anthropic.com`; anything beyond scheme, host, port and path is an error.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        Self::from_url(Url::parse(text)?)
    }

    /// As [`parse`](Self::parse), for a URL that is already parsed.
    pub fn from_url(url: Url) -> Result<Self, OriginError> {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(OriginError::Scheme);
        }
        let bare = url.username().is_empty() && url.password().is_none();
        if !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(OriginError::Extra);
        }
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let authority = HeaderValue::from_str(authority).map_err(|_| OriginError::Extra)?;
        let prefix = url.path().trim_end_matches('/').into();
        Ok(Self { url, authority, prefix })
    }

    /// Whether connections use TLS, that is, whether the scheme is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host as TLS and DNS name it: no brackets around an IPv6 address.
    #[must_use]
    pub fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        }
    }

    /// Whether the host can only mean this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }

    /// The value for `Host`: the host, and the port unless it is the scheme's default.
    #[must_use]
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Scheme, host and port as a URI, for connectors.
    ///
    /// # Panics
    /// Never: all three were parsed before.
    #[must_use]
    pub fn connect_uri(&self) -> Uri {
        let port = self.url.port_or_known_default().unwrap_or(443);
        let host = self.url.host_str().unwrap_or_default();
        format!("{}://{host}:{port}/", self.url.scheme())
            .parse()
            .expect("a parsed URL's scheme, host and port make a URI")
    }

    /// The path and query to request: the base path, and then those of `requested`.
    ///
    /// # Panics
    /// Never: both parts were parsed before.
    #[must_use]
    pub fn target(&self, requested: &PathAndQuery) -> PathAndQuery {
        if self.prefix.is_empty() {
            return requested.clone();
        }
        format!("{}{requested}", self.prefix).parse().expect("two valid paths make a valid path")
    }

    /// As [`target`](Self::target), from a whole URI to a whole URI.
    #[must_use]
    pub fn retarget(&self, requested: &Uri) -> Uri {
        let root = PathAndQuery::from_static("/");
        Uri::from(self.target(requested.path_and_query().unwrap_or(&root)))
    }

    /// The origin as a URL without a trailing slash.
    #[must_use]
    pub fn as_base_url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The URL of `path` below the base path.
    #[must_use]
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.prefix));
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_goes_in_front_and_the_query_stays() {
        let origin = Origin::parse("https://gateway.example/claude/").unwrap();
        let requested = PathAndQuery::from_static("/v1/messages?beta=true");
        assert_eq!(origin.target(&requested).as_str(), "/claude/v1/messages?beta=true");
        assert_eq!(origin.authority(), "gateway.example");
        assert_eq!(origin.connect_uri().to_string(), "https://gateway.example:443/");
        assert_eq!(origin.as_base_url(), "https://gateway.example/claude");
    }

    #[test]
    fn an_ipv6_address_keeps_its_brackets_only_where_http_wants_them() {
        let origin = Origin::parse("http://[::1]:8080").unwrap();
        assert!(origin.is_loopback());
        assert_eq!((origin.host().as_str(), origin.authority().to_str().unwrap()), ("::1", "[::1]:8080"));
    }

    #[test]
    fn a_url_with_more_than_an_address_is_refused() {
        assert!(matches!(Origin::parse("api.anthropic.com"), Err(OriginError::Syntax(_))));
        assert_eq!(Origin::parse("ftp://a.example"), Err(OriginError::Scheme));
        for text in ["https://user@a.example", "https://a.example?x", "https://a.example#x"] {
            assert_eq!(Origin::parse(text), Err(OriginError::Extra), "{text}");
        }
    }
}
