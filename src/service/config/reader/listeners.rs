//! Settings of the listener of clients and of what all listeners share. No two listeners may collide.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use http::HeaderValue;

use super::{Reader, without_password};
use crate::service::config::settings::{self, Setting};
use crate::service::http::allowed_hosts::{AllowedHost, AllowedHosts};
use crate::service::http::listen::Listen;
use crate::service::http::tls::{CertificateFiles, Part, TlsConfig};
use crate::transport::origin::Origin;

impl Reader<'_> {
    pub(in crate::service::config) fn host(&mut self) -> IpAddr {
        self.address(settings::HOST)
    }

    pub(in crate::service::config) fn listen(&mut self, host: IpAddr) -> Listen {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Listen {
            address: SocketAddr::new(host, self.number(settings::PORT, 0..=u16::MAX)),
            workers: self.number_or(settings::WORKERS, cores, 1..=1024),
            max_connections: self.number(settings::MAX_CONNECTIONS, 1..=1 << 20),
            max_payload: self.number(settings::MAX_PAYLOAD_SIZE, 1..=1 << 30),
            request_timeout: self.millis(settings::REQUEST_TIMEOUT),
            client_read_timeout: self.millis(settings::CLIENT_READ_TIMEOUT),
            lame_duck: Duration::from_millis(self.number(settings::LAME_DUCK, 0..=24 * 3600 * 1000)),
            drain: self.millis(settings::DRAIN_TIMEOUT),
        }
    }

    /// Where clients connect, and whether they speak TLS there.
    pub(in crate::service::config) fn client_listener(&mut self) -> (SocketAddr, bool) {
        let address = SocketAddr::new(self.host(), self.number(settings::PORT, 0..=u16::MAX));
        (address, self.given(settings::TLS_CERT_FILE).is_some())
    }

    pub(in crate::service::config) fn tls(&mut self) -> Option<TlsConfig> {
        let handshake_timeout = self.millis(settings::TLS_HANDSHAKE_TIMEOUT);
        let (certificate, key) = match (self.given(settings::TLS_CERT_FILE), self.given(settings::TLS_KEY_FILE)) {
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => {
                self.wrong(settings::TLS_KEY_FILE, "is required beside TLS_CERT_FILE");
                return None;
            }
            (None, Some(_)) => {
                self.wrong(settings::TLS_CERT_FILE, "is required beside TLS_KEY_FILE");
                return None;
            }
            (None, None) => return None,
        };
        match CertificateFiles::read(Path::new(certificate), Path::new(key)) {
            Ok(files) => return Some(TlsConfig { files, handshake_timeout }),
            Err(faults) => {
                for fault in faults {
                    let (setting, path) = match fault.part() {
                        Part::Certificate => (settings::TLS_CERT_FILE, certificate),
                        Part::Key => (settings::TLS_KEY_FILE, key),
                    };
                    self.wrong(setting, format!("{path}: {fault}"));
                }
            }
        }
        None
    }

    pub(in crate::service::config) fn cors(&mut self) -> Vec<HeaderValue> {
        let mut origins = Vec::new();
        for text in self.list(settings::CORS_ORIGINS) {
            let parsed = url::Url::parse(text).ok().filter(|url| url.origin().ascii_serialization() == text);
            if let (Some(_), Ok(value)) = (parsed, HeaderValue::from_str(text)) {
                origins.push(value);
            } else {
                let shown = without_password(text);
                self.wrong(settings::CORS_ORIGINS, format!("{shown} is not an origin such as https://app.example"));
            }
        }
        origins
    }

    /// An empty entry is refused instead of skipped: beyond loopback a list of empty entries would allow all hosts.
    pub(in crate::service::config) fn allowed_hosts(&mut self) -> AllowedHosts {
        let mut listed = Vec::new();
        for text in self.given(settings::ALLOWED_HOSTS).into_iter().flat_map(|text| text.split(',')).map(str::trim) {
            if let Some(host) = AllowedHost::parse(text) {
                listed.push(host);
            } else {
                let shown = without_password(text);
                self.wrong(
                    settings::ALLOWED_HOSTS,
                    format!("{shown} is not a host such as a.example or a.example:8443"),
                );
            }
        }
        // Whether this is an address is judged with the terms of tokens.
        let base_url = self.given(settings::PROXY_BASE_URL).and_then(|text| Origin::parse(text).ok());
        AllowedHosts { listed, of_base_url: base_url.as_ref().and_then(AllowedHost::of) }
    }

    /// Refuses one port for two listeners. A shared port would go unnoticed: the system hands each connection to one of
    /// the two.
    pub(in crate::service::config) fn tell_apart(
        &mut self,
        (setting, address): (Setting, SocketAddr),
        (other, taken): (Setting, SocketAddr),
    ) {
        let port = address.port();
        if port != 0 && port == taken.port() && overlap(address.ip(), taken.ip()) {
            let message = format!("{port} is {} too, and the addresses do not tell the two apart", other.name);
            self.wrong(setting, message);
        }
    }
}

/// Whether a connection could reach both listeners.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one == other || covers(one, other) || covers(other, one)
}

/// Whether a listener at `wide` also gets connections to `address`: `[::]` takes IPv4 too.
fn covers(wide: IpAddr, address: IpAddr) -> bool {
    wide.is_unspecified() && (wide.is_ipv6() || address.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_address_overlaps_with_every_address() {
        for (one, other, expected) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0", "127.0.0.1", true),
            ("0.0.0.0", "::1", false),
            ("::", "127.0.0.1", true),
            ("::", "0.0.0.0", true),
            ("127.0.0.1", "::1", false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }
}
