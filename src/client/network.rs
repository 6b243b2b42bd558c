//! The way to the service: the HTTP proxy and the certificates that count, and what an error says of it.

mod certificate;

use std::error::Error;
use std::path::Path;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;

use self::certificate::{may_lack_authority, reason};
use super::error::{Cause, ClientError, system_code};
use super::proxies::Proxies;
use super::status::{Event, EventSink, Level, Network};
use crate::transport::connect::ConnectError;
use crate::transport::http_proxy::ProxyError;
use crate::transport::origin::Origin;
use crate::transport::root_cause::root_cause;
use crate::transport::tls::{TlsSetupError, certificate_error, read_roots, tls_config_with};
use crate::transport::upstream::{UpstreamError, UpstreamReadError};

/// Prepares TLS, as far as it is needed, with the app's own certificates and those in the file `extra_ca_certs`. A line of the
/// level debug says which proxy and which file are used; so does the line of a start that succeeds. A file that cannot be
/// used is told and ignored, as Node does.
pub(super) fn prepare(
    service: &Origin,
    proxies: &Proxies,
    own: &[CertificateDer<'static>],
    extra_ca_certs: Option<&Path>,
    events: &EventSink,
) -> Result<(Option<ClientConfig>, Network), TlsSetupError> {
    let log = |level, line: String| events(Event::Log(level, line.into()));
    let mut tls = None;
    let mut network = Network { proxy: proxies.shown(), extra_ca_certs: None };
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
    if let Some(line) = network.proxy.as_deref().and_then(unusable) {
        log(Level::Warn, line);
    }
    if let Some(line) = summary(service, proxies.are_of_system(), &network) {
        log(Level::Debug, line);
    }
    Ok((tls, network))
}

/// A line about an HTTP proxy of the system that cannot be used.
pub(super) fn unusable(proxy: &str) -> Option<String> {
    let is_usable = proxy.starts_with("http://");
    (!is_usable).then(|| format!("The proxy {proxy} cannot be used: only proxies that begin with http:// can"))
}

/// One sentence about what is not the usual way; `None` if all is.
fn summary(service: &Origin, is_of_system: bool, network: &Network) -> Option<String> {
    let is_named = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let way = match &network.proxy {
        Some(proxy) => Some(format!("The service is reached through the proxy {proxy}")),
        None if is_of_system
            && !service.is_loopback()
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

/// Why a request did not reach the service over `way`; `None` if the cause is another one.
pub(super) fn link_error(error: &UpstreamError, way: &str) -> Option<ClientError> {
    match error {
        UpstreamError::Body(_) | UpstreamError::Invalid(_) | UpstreamError::Dropped(UpstreamReadError::Request) => None,
        UpstreamError::FirstByte(limit) | UpstreamError::Connect(ConnectError::Timeout(limit)) => {
            Some(ClientError::NoAnswer { way: way.to_owned(), limit: *limit })
        }
        UpstreamError::Connect(_) | UpstreamError::Dropped(_) => Some(network_error(way, error)),
    }
}

/// The error for a call over `way` that failed because of `cause`.
pub(super) fn network_error(way: &str, cause: &(dyn Error + 'static)) -> ClientError {
    let address = way.split(' ').next().map(str::to_owned);
    let (code, root) = (system_code(cause), root_cause(cause).to_string());
    if let Some(fault) = certificate_error(cause) {
        let advice = if may_lack_authority(fault) {
            ". If a proxy here inspects TLS, name the file of its CA in NODE_EXTRA_CA_CERTS"
        } else {
            ""
        };
        let message = format!("{way}: its certificate is not trusted: {}{advice}", reason(fault));
        return ClientError::Certificate(Cause { code, message, address });
    }
    let Some(fault) = proxy_error(cause) else {
        return ClientError::Network(Cause { code, message: format!("{way}: {root}"), address });
    };
    // The HTTP proxy was asked, and not the service.
    let address = way.rsplit("://").next().map(str::to_owned);
    let beneath = if fault.source().is_some() { format!(": {root}") } else { String::new() };
    let cause = Cause { code, message: format!("{way}: {fault}{beneath}"), address };
    if fault.is_about_password() { ClientError::ProxyAuth(cause) } else { ClientError::Network(cause) }
}

/// Why the HTTP proxy opened no tunnel, if that is the cause of `error`.
fn proxy_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ProxyError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(fault) = error.downcast_ref::<ProxyError>() {
            return Some(fault);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn f52_f79_an_error_names_the_address_and_a_certificate_that_is_not_trusted() {
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let nested = io::Error::other(io::Error::other(unknown));
        let error = network_error("claude.example:443", &nested);
        assert_eq!(error.code(), "VALET_CERTIFICATE");
        let error = error.to_string();
        let told = "claude.example:443: its certificate is not trusted: its issuer is not known here. ";
        assert!(error.contains(told), "{error}");
        assert!(error.contains("NODE_EXTRA_CA_CERTS"), "{error}");
        let refused = network_error("claude.example:443", &io::Error::other("refused")).to_string();
        assert_eq!(refused, "cannot reach the service: claude.example:443: refused");
    }

    #[test]
    fn f115_an_error_of_the_proxy_names_the_proxy_as_what_was_asked() {
        let way = "claude.example:443 through the proxy http://proxy.example:3128";
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let root = refused.to_string();
        for (fault, code, told) in [
            (ProxyError::Unreached(refused.into()), "VALET_NETWORK", format!("the proxy cannot be reached: {root}")),
            (ProxyError::Refused(http::StatusCode::FORBIDDEN), "VALET_NETWORK", "the connection: 403 Forbidden".into()),
            (ProxyError::WantsPassword, "VALET_PROXY_AUTH", "the proxy wants a user and a password".into()),
            (ProxyError::WrongPassword, "VALET_PROXY_AUTH", "the proxy refuses the user and the password".into()),
        ] {
            let error = UpstreamError::from(ConnectError::Reach(fault.into()));
            let error = link_error(&error, way).unwrap();
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains(&told) && error.to_string().contains(way), "{error}");
            let shown = serde_json::to_value(&error).unwrap();
            assert_eq!(shown["cause"]["address"], "proxy.example:3128");
        }
    }

    #[test]
    fn a_request_that_its_app_broke_off_says_nothing_about_the_service() {
        let way = "127.0.0.1:1";
        let broken = UpstreamError::Dropped(UpstreamReadError::Request);
        assert!(link_error(&broken, way).is_none());
        let closed = link_error(&UpstreamError::Dropped(UpstreamReadError::Closed), way).unwrap();
        assert!(closed.to_string().contains("127.0.0.1:1: "), "{closed}");
    }
}
