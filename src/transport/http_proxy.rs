//! An HTTP proxy on the way to an origin, and the tunnel through it (`CONNECT`, RFC 9110 §9.3.6).

use std::error::Error;
use std::{fmt, io};

use http::{HeaderValue, StatusCode, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::net::TcpStream;
use url::Url;

/// An HTTP proxy. Its user and password are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpProxy {
    uri: Uri,
    /// The value of `Proxy-Authorization` (RFC 7617), if the address has a user.
    authorization: Option<HeaderValue>,
}

/// Why a proxy opens no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The proxy is spoken to in another way than HTTP without TLS.
    #[error("the proxy cannot be used: only proxies that begin with http:// can")]
    Scheme,
    /// The proxy has no address, or takes no connection.
    #[error("the proxy cannot be reached")]
    Unreached(#[source] Box<dyn Error + Send + Sync>),
    /// The connection failed before the proxy's answer.
    #[error("the connection to the proxy failed")]
    Lost(#[source] io::Error),
    /// The proxy closed the connection before its answer.
    #[error("the proxy closed the connection and gave no answer")]
    Closed,
    /// The answer is not HTTP.
    #[error("the proxy's answer is not HTTP")]
    Invalid,
    /// The proxy answered 407 (RFC 9110 §15.5.8) to an address without a user.
    #[error("the proxy wants a user and a password, which belong into its address")]
    WantsPassword,
    /// The proxy answered 407 to the user and password of its address.
    #[error("the proxy refuses the user and the password in its address")]
    WrongPassword,
    /// The proxy opens no tunnel to this origin.
    #[error("the proxy refuses the connection: {0}")]
    Refused(StatusCode),
}

impl HttpProxy {
    /// Reads an address such as `http://user:password@proxy.example:3128`; user and password may be percent-encoded. `None` if
    /// the text is no such address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        if url.scheme() != "http" || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        let all = Matcher::builder().all(url.as_str()).build();
        all.intercept(&Uri::from_static("http://origin.example/")).as_ref().map(Self::from)
    }

    /// Whether the proxy is spoken to in HTTP without TLS, the only way that there is.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.uri.scheme_str() == Some("http")
    }

    /// The proxy's host, and its port if the address names one.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        let port = self.uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.uri.host().unwrap_or_default())
    }

    /// The address without the user and the password, for connectors.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Opens a tunnel to the host and port of `target` over a connection to this proxy.
    pub(super) async fn open_tunnel(&self, tcp: &TcpStream, target: &Uri) -> Result<(), ProxyError> {
        let target = target.authority().map(ToString::to_string).unwrap_or_default();
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(value) = &self.authorization {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        write_all(tcp, &head).await.map_err(ProxyError::Lost)?;
        match read_status(tcp).await? {
            status if status.is_success() => Ok(()),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED if self.authorization.is_some() => Err(ProxyError::WrongPassword),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ProxyError::WantsPassword),
            status => Err(ProxyError::Refused(status)),
        }
    }
}

impl From<&Intercept> for HttpProxy {
    fn from(intercept: &Intercept) -> Self {
        Self { uri: intercept.uri().clone(), authorization: intercept.basic_auth().cloned() }
    }
}

impl fmt::Display for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.uri.scheme_str().unwrap_or("http"), self.host_and_port())
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpProxy({self})")
    }
}

impl ProxyError {
    /// Whether the proxy wants another user and password, or any.
    #[must_use]
    pub fn is_about_password(&self) -> bool {
        matches!(self, Self::WantsPassword | Self::WrongPassword)
    }

    /// Whether the proxy itself has decided about this connection: another proxy is not asked then.
    pub(super) fn is_verdict(&self) -> bool {
        self.is_about_password() || matches!(self, Self::Refused(_))
    }
}

async fn write_all(tcp: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        tcp.writable().await?;
        match tcp.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the head of the answer to `CONNECT`.
async fn read_status(tcp: &TcpStream) -> Result<StatusCode, ProxyError> {
    let (mut head, mut length) = (vec![0; LONGEST_HEAD], 0);
    loop {
        tcp.readable().await.map_err(ProxyError::Lost)?;
        match tcp.try_read(&mut head[length..]) {
            Ok(0) => return Err(ProxyError::Closed),
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(ProxyError::Lost(error)),
        }
        if let Some(status) = status_of(&head[..length])? {
            return Ok(status);
        }
        if length == LONGEST_HEAD {
            return Err(ProxyError::Invalid);
        }
    }
}

/// `None` while the head is not whole. Bytes behind the head of a tunnel are a fault: in TLS the client speaks first.
fn status_of(head: &[u8]) -> Result<Option<StatusCode>, ProxyError> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let Ok(parsed) = answer.parse(head) else { return Err(ProxyError::Invalid) };
    let httparse::Status::Complete(end) = parsed else { return Ok(None) };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(ProxyError::Invalid)?;
    if status.is_success() && end < head.len() {
        return Err(ProxyError::Invalid);
    }
    Ok(Some(status))
}

const LONGEST_HEAD: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f113_a_proxy_is_shown_without_its_user_and_password() {
        for (address, expected) in [
            ("http://user:canary@proxy.example:3128/", "http://proxy.example:3128"),
            ("http://canary@proxy.example", "http://proxy.example"),
            ("http://user:canary@[::1]:3128", "http://[::1]:3128"),
        ] {
            let proxy = HttpProxy::parse(address).unwrap();
            assert_eq!(proxy.to_string(), expected);
            assert!(proxy.is_usable() && !format!("{proxy:?}").contains("canary"));
        }
    }

    #[test]
    fn f113_a_user_and_a_password_are_percent_decoded() {
        let sent = |address| HttpProxy::parse(address).unwrap().authorization.unwrap();
        // RFC 7617 has this pair and its value.
        assert_eq!(sent("http://Aladdin:open%20sesame@proxy.example"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(sent("http://a%40b:p%3Aw@proxy.example"), "Basic YUBiOnA6dw==");
        assert!(sent("http://a:b@proxy.example").is_sensitive());
    }

    #[test]
    fn f111_what_is_not_the_address_of_an_http_proxy_is_none() {
        for text in
            ["", "proxy.example:3128", "https://proxy.example", "socks5://a:1", "http://", "http://a/pac", "http://a?x"]
        {
            assert!(HttpProxy::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn f115_the_answer_of_a_proxy_is_a_whole_head_and_nothing_behind_it() {
        assert!(matches!(status_of(b"HTTP/1.1 200 Connection established\r\n"), Ok(None)));
        assert_eq!(status_of(b"HTTP/1.0 200 OK\r\n\r\n").unwrap(), Some(StatusCode::OK));
        assert_eq!(status_of(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>").unwrap(), Some(StatusCode::BAD_GATEWAY));
        for wrong in [&b"SSH-2.0-OpenSSH\r\n\r\n"[..], b"HTTP/1.1 200 OK\r\n\r\nhello"] {
            assert!(matches!(status_of(wrong), Err(ProxyError::Invalid)));
        }
    }
}
