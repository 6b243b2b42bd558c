//! Asks a listener of the service that runs on this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::header::HOST;
use reqwest::{Client, StatusCode};
use serde_json::Value;

pub(super) struct Here {
    client: Client,
    pub(super) url: String,
}

impl Here {
    /// The listener at `address`, whose answer may take as long as `patience`.
    pub(super) fn at(address: SocketAddr, is_tls: bool, patience: Duration) -> reqwest::Result<Self> {
        Ok(Self { client: client(patience)?, url: url(address, is_tls) })
    }

    /// Another listener, asked with the same patience.
    pub(super) fn beside(self, address: SocketAddr, is_tls: bool) -> Self {
        Self { url: url(address, is_tls), ..self }
    }

    /// The status, and the body if it is JSON.
    pub(super) async fn get(&self, path: &str) -> reqwest::Result<(StatusCode, Value)> {
        // Every listener answers to this name; its own address may not be among its ALLOWED_HOSTS.
        let request = self.client.get(format!("{}{path}", self.url)).header(HOST, "localhost");
        let answer = request.send().await?;
        let status = answer.status();
        Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or_default()))
    }
}

/// The HTTP client for the listeners. It accepts any certificate: no certificate names a listener's address such as
/// 127.0.0.1, and a process of this machine answers, which gets no secret. This does not check whether clients trust
/// the certificate.
fn client(patience: Duration) -> reqwest::Result<Client> {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(patience);
    builder.tls_certs_only([]).tls_danger_accept_invalid_certs(true).build()
}

/// The URL of a listener from this machine.
fn url(address: SocketAddr, is_tls: bool) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if is_tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(host, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        for (address, is_tls, expected) in [
            ("0.0.0.0:3001", false, "http://127.0.0.1:3001"),
            ("[::]:8443", true, "https://[::1]:8443"),
            ("192.0.2.7:3001", false, "http://192.0.2.7:3001"),
        ] {
            assert_eq!(url(address.parse().unwrap(), is_tls), expected);
        }
    }
}
