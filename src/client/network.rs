//! The way to the service: the proxy and the certificates that the environment names, and what an error says of it.
//!
//! reqwest and [`Connector`](crate::transport::connect::Connector) find the proxy by the same rules: `HTTPS_PROXY`,
//! `ALL_PROXY` and `NO_PROXY`, in either case, else the system's settings on macOS and Windows.

use std::error::Error;
use std::path::Path;

use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use url::Url;

use super::error::{Cause, ClientError, system_code};
use super::status::{Event, EventSink, Level, Network};
use crate::transport::connect::{ConnectError, system_proxy};
use crate::transport::origin::Origin;
use crate::transport::root_cause::root_cause;
use crate::transport::tls::{TlsSetupError, certificate_error, read_roots, tls_config_with};
use crate::transport::upstream::{UpstreamError, UpstreamReadError};

/// Prepares TLS, as far as it is needed, with the app's own certificates and those in the file `extra_ca_certs`. A line of the level debug says
/// which proxy and which file are used; so does the line of a start that succeeds. A file that cannot be used is told and
/// ignored, as Node does.
pub(super) fn prepare(
    service: &Origin,
    own: &[CertificateDer<'static>],
    extra_ca_certs: Option<&Path>,
    events: &EventSink,
) -> Result<(Option<ClientConfig>, Network), TlsSetupError> {
    let log = |level, line: String| events(Event::Log(level, line.into()));
    let mut tls = None;
    let mut network = Network { proxy: system_proxy(service).map(|proxy| shown(proxy.uri())), extra_ca_certs: None };
    if let Some(path) = extra_ca_certs {
        match read_roots(path).and_then(|roots| tls_config_with([own, &roots[..]].concat())) {
            Ok(config) => {
                tls = Some(config);
                network.extra_ca_certs = Some(path.display().to_string());
            }
            Err(error) => log(Level::Warn, format!("NODE_EXTRA_CA_CERTS is ignored: {error}")),
        }
    }
    // Setting up TLS reads the system's certificates, which takes time; plain HTTP does not need them.
    if tls.is_none() && (service.is_tls() || !own.is_empty()) {
        tls = Some(tls_config_with(own.to_vec())?);
    }
    if let Some(proxy) = network.proxy.as_ref().filter(|proxy| !proxy.starts_with("http://")) {
        log(Level::Warn, format!("The proxy {proxy} cannot be used: only proxies that begin with http:// can"));
    }
    if let Some(line) = summary(service, &network) {
        log(Level::Debug, line);
    }
    Ok((tls, network))
}

/// One sentence about what the environment changes; `None` if it changes nothing.
fn summary(service: &Origin, network: &Network) -> Option<String> {
    let is_named = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let way = match &network.proxy {
        Some(proxy) => Some(format!("The service is reached through the proxy {proxy}")),
        None if !service.is_loopback()
            && ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].iter().any(is_named) =>
        {
            Some(
                "The service is reached directly: NO_PROXY names it, or the named proxy does not begin with http://"
                    .into(),
            )
        }
        None => None,
    };
    let trust = network
        .extra_ca_certs
        .as_ref()
        .map(|path| format!("The certificates in {path} are trusted (NODE_EXTRA_CA_CERTS)"));
    match (way, trust) {
        (Some(way), Some(trust)) => Some(format!("{way}. {trust}")),
        (way, trust) => way.or(trust),
    }
}

/// Why a request did not reach the service at `origin`; `None` if the cause is another one.
pub(super) fn link_error(error: &UpstreamError, origin: &Origin) -> Option<ClientError> {
    match error {
        UpstreamError::Body(_) | UpstreamError::Invalid(_) | UpstreamError::Dropped(UpstreamReadError::Request) => None,
        UpstreamError::FirstByte(limit) | UpstreamError::Connect(ConnectError::Timeout(limit)) => {
            Some(ClientError::NoAnswer { way: way_to(origin), limit: *limit })
        }
        UpstreamError::Connect(_) | UpstreamError::Dropped(_) => Some(network_error(&way_to(origin), error)),
    }
}

/// The error for a call over `way` that failed because of `cause`.
pub(super) fn network_error(way: &str, cause: &(dyn Error + 'static)) -> ClientError {
    let address = way.split(' ').next().map(str::to_owned);
    let (code, root) = (system_code(cause), root_cause(cause).to_string());
    if let Some(fault) = certificate_error(cause) {
        let message = format!(
            "{way}: its certificate is not trusted ({fault}). If a proxy here inspects TLS, name the file of its CA in \
             NODE_EXTRA_CA_CERTS"
        );
        return ClientError::Certificate(Cause { code, message, address });
    }
    if root.contains(WANTS_PASSWORD) {
        let message = format!("{way}: the proxy wants a user and a password, which belong into its address");
        return ClientError::ProxyAuth(Cause { code, message, address });
    }
    ClientError::Network(Cause { code, message: format!("{way}: {root}"), address })
}

/// What hyper-util says of a proxy's answer 407. Its error has no public type.
const WANTS_PASSWORD: &str = "proxy authorization required";

/// The host and port of `origin`, and the proxy in between if there is one; no credentials.
pub(super) fn way_to(origin: &Origin) -> String {
    let uri = origin.connect_uri();
    let address = uri.authority().map(ToString::to_string).unwrap_or_default();
    match system_proxy(origin) {
        Some(proxy) => format!("{address} through the proxy {}", shown(proxy.uri())),
        None => address,
    }
}

/// As [`way_to`], for the address of a call.
pub(super) fn way_to_url(url: &Url) -> String {
    Origin::from_url(url.clone())
        .map_or_else(|_| url.host_str().unwrap_or_default().to_owned(), |origin| way_to(&origin))
}

/// A proxy's address without its user and password.
fn shown(proxy: &Uri) -> String {
    let port = proxy.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", proxy.scheme_str().unwrap_or("http"), proxy.host().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn f79_a_proxy_is_shown_without_its_credentials() {
        for (proxy, expected) in [
            ("http://user:secret@proxy.example:3128/", "http://proxy.example:3128"),
            ("http://proxy.example/", "http://proxy.example"),
            ("socks5h://127.0.0.1:9050/", "socks5h://127.0.0.1:9050"),
        ] {
            assert_eq!(shown(&proxy.parse().unwrap()), expected);
        }
    }

    #[test]
    fn f52_f79_an_error_names_the_address_and_a_certificate_that_is_not_trusted() {
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let nested = io::Error::other(io::Error::other(unknown));
        let error = network_error("claude.example:443", &nested);
        assert_eq!(error.code(), "VALET_CERTIFICATE");
        let error = error.to_string();
        assert!(error.contains("claude.example:443: its certificate is not trusted"), "{error}");
        assert!(error.contains("NODE_EXTRA_CA_CERTS"), "{error}");
        let wanting =
            network_error("claude.example:443", &io::Error::other("tunnel error: proxy authorization required"));
        assert_eq!(wanting.code(), "VALET_PROXY_AUTH");
        let refused = network_error("claude.example:443", &io::Error::other("refused")).to_string();
        assert_eq!(refused, "cannot reach the service: claude.example:443: refused");
    }

    #[test]
    fn a_request_that_its_app_broke_off_says_nothing_about_the_service() {
        let origin = Origin::parse("http://127.0.0.1:1").unwrap();
        let broken = UpstreamError::Dropped(UpstreamReadError::Request);
        assert!(link_error(&broken, &origin).is_none());
        let closed = link_error(&UpstreamError::Dropped(UpstreamReadError::Closed), &origin).unwrap();
        assert!(closed.to_string().contains("127.0.0.1:1: "), "{closed}");
    }
}
