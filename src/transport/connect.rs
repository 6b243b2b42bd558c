//! Opens connections to one [`Origin`]: DNS, happy eyeballs (RFC 6555), HTTP proxies in between, TLS. Client and service use it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tower_service::Service;

use super::http_proxy::ProxyError;
use super::next_hop::{NextHop, NextHops, SystemProxies};
use super::origin::Origin;

/// Which HTTP version to speak to an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpVersion {
    /// HTTP/2 or HTTP/1.1, negotiated by TLS (ALPN, RFC 7301); HTTP/1.1 without TLS.
    #[default]
    Auto,
    /// HTTP/1.1 always, also over TLS.
    Http1,
    /// HTTP/2 always; without TLS by prior knowledge (RFC 9113 §3.3).
    Http2,
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No address, a refused connection, or a [`ProxyError`] of the proxy in between.
    #[error("cannot connect: {0}")]
    Reach(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The TLS handshake failed, mostly for a certificate that is not trusted.
    #[error("TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    /// The connection was not open within the limit.
    #[error("no connection after {} ms", .0.as_millis())]
    Timeout(Duration),
}

/// Opens connections to one origin.
#[derive(Clone)]
pub struct Connector {
    /// The origin this connector connects to.
    pub(super) origin: Arc<Origin>,
    tcp: HttpConnector,
    tls: Option<TlsConnector>,
    hops: Arc<NextHops>,
    version: HttpVersion,
    limit: Duration,
}

/// A TCP connection: on the left the bare one, on the right one with TLS on top.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// An open connection and the HTTP version agreed on.
pub struct Connection {
    /// The connection itself, with or without TLS.
    pub stream: Stream,
    /// Whether both ends agreed on HTTP/2.
    pub is_http2: bool,
}

impl Connection {
    /// The certificates that the server has shown, its own first; none without TLS.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        match &self.stream {
            Stream::Left(_) => &[],
            Stream::Right(tls) => tls.get_ref().1.peer_certificates().unwrap_or_default(),
        }
    }

    /// The address at the other end, which is the proxy's if one stands in between.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        let tcp = match &self.stream {
            Stream::Left(tcp) => tcp,
            Stream::Right(tls) => tls.get_ref().0,
        };
        tcp.peer_addr().ok()
    }
}

impl Connector {
    /// Prepares connections to `origin`, each to be open within `limit`. An `https` origin needs `tls`; for an `http`
    /// origin it is ignored.
    #[must_use]
    pub fn new(origin: Arc<Origin>, tls: Option<ClientConfig>, version: HttpVersion, limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_connect_timeout(Some(limit));
        let tls = tls.filter(|_| origin.is_tls()).map(|mut config| {
            config.alpn_protocols = alpn(version);
            TlsConnector::from(Arc::new(config))
        });
        let hops = Arc::new(NextHops::new(Vec::new()));
        Self { origin, tcp, tls, hops, version, limit }
    }

    /// Uses the proxy that the system or the environment names for this origin, if any. A loopback origin is always
    /// reached directly.
    #[must_use]
    pub fn with_system_proxy(self) -> Self {
        let hops = SystemProxies::read().hops_to(&self.origin);
        self.through(Arc::new(hops))
    }

    /// Tries these next hops in their order, until one can be reached. Each has an equal share of the limit.
    #[must_use]
    pub fn through(mut self, hops: Arc<NextHops>) -> Self {
        self.hops = hops;
        self
    }

    /// Gives a connection up when the other side acknowledges no sent byte for `limit`, or, while nothing is sent, no
    /// keep-alive probe for `limit` rounded up to a second; a probe goes out each second of silence. That is so on Linux.
    /// Other systems limit silence only: the end comes after `limit` and five more seconds of probes.
    #[must_use]
    pub fn with_dead_peer_limit(mut self, limit: Duration) -> Self {
        self.tcp.set_keepalive_interval(Some(PROBE_INTERVAL));
        limit_silence(&mut self.tcp, limit);
        self
    }

    /// Whether a proxy stands in between. It, and not this machine, then looks up the origin's name.
    #[must_use]
    pub fn is_proxied(&self) -> bool {
        self.hops.proxy().is_some()
    }

    /// Opens one connection within the limit.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        tokio::time::timeout(self.limit, self.open()).await.unwrap_or(Err(ConnectError::Timeout(self.limit)))
    }

    async fn open(&self) -> Result<Connection, ConnectError> {
        if self.origin.is_tls() && self.tls.is_none() {
            // Never fall back to plain HTTP: the request holds a credential.
            return Err(ConnectError::Tls(io::Error::other("TLS is not set up")));
        }
        let tcp = self.open_tcp().await?;
        let Some(tls) = &self.tls else {
            return Ok(Connection { stream: Stream::Left(tcp), is_http2: self.version == HttpVersion::Http2 });
        };
        let name = ServerName::try_from(self.origin.host())
            .map_err(|error| ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = tls.connect(name, tcp).await.map_err(ConnectError::Tls)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Connection { stream: Stream::Right(Box::new(stream)), is_http2 })
    }

    /// Reaches the first hop that can be reached. The error is that of the hop that is wanted most.
    async fn open_tcp(&self) -> Result<TcpStream, ConnectError> {
        let order = self.hops.in_order();
        let share = self.limit / u32::try_from(order.len()).unwrap_or(u32::MAX);
        let mut first_error = None;
        for (place, hop) in order {
            let reached = tokio::time::timeout(share, self.reach(hop)).await;
            match reached.unwrap_or(Err(ConnectError::Timeout(self.limit))) {
                Ok(tcp) => {
                    self.hops.reached(place, first_error.is_some());
                    return Ok(tcp);
                }
                Err(error) if is_verdict(&error) => {
                    self.hops.reached(place, first_error.is_some());
                    return Err(error);
                }
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or_else(|| ConnectError::Reach("there is no way to it".into())))
    }

    async fn reach(&self, hop: &NextHop) -> Result<TcpStream, ConnectError> {
        let (mut tcp, target) = (self.tcp.clone(), self.origin.connect_uri());
        let NextHop::Proxy(proxy) = hop else {
            let opened = tcp.call(target).await.map_err(|error| self.unreached(error.into()))?;
            return Ok(opened.into_inner());
        };
        if !proxy.is_usable() {
            return Err(ConnectError::Reach(ProxyError::Scheme.into()));
        }
        let opened = tcp.call(proxy.uri().clone()).await;
        let opened = opened.map_err(|error| self.unreached(ProxyError::Unreached(error.into()).into()))?.into_inner();
        proxy.open_tunnel(&opened, &target).await.map_err(|error| self.unreached(error.into()))?;
        Ok(opened)
    }

    /// Maps hyper's own timeout to ours: its connector applies the limit to each address and may report it first.
    fn unreached(&self, error: Box<dyn std::error::Error + Send + Sync>) -> ConnectError {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
        while let Some(current) = cause {
            if current.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                return ConnectError::Timeout(self.limit);
            }
            cause = current.source();
        }
        ConnectError::Reach(error)
    }
}

/// Sets `TCP_USER_TIMEOUT` (RFC 5482). With it Linux counts no probes: it gives up at the first probe that is due after
/// `limit` of silence, if one before it was lost. The probes begin early, so that several must be lost in a row.
#[cfg(target_os = "linux")]
fn limit_silence(tcp: &mut HttpConnector, limit: Duration) {
    tcp.set_keepalive(Some(PROBE_INTERVAL));
    tcp.set_tcp_user_timeout(Some(limit));
}

/// Other systems have no limit on sent bytes that sockets of Rust can set.
#[cfg(not(target_os = "linux"))]
fn limit_silence(tcp: &mut HttpConnector, limit: Duration) {
    tcp.set_keepalive(Some(limit));
    tcp.set_keepalive_retries(Some(5));
}

/// The shortest that every system can set.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Whether a proxy was reached and has decided about this connection.
fn is_verdict(error: &ConnectError) -> bool {
    let ConnectError::Reach(cause) = error else { return false };
    cause.downcast_ref::<ProxyError>().is_some_and(ProxyError::is_verdict)
}

fn alpn(version: HttpVersion) -> Vec<Vec<u8>> {
    match version {
        HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use socket2::SockRef;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn f81_a_silent_connection_outlives_two_lost_probes_and_a_dead_one_is_given_up_within_five_seconds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let limit = Duration::from_secs(4);
        let connector = Connector::new(Arc::new(origin), None, HttpVersion::Auto, limit).with_dead_peer_limit(limit);
        let connection = connector.connect().await.unwrap();
        let Stream::Left(tcp) = &connection.stream else { panic!("there is no TLS") };
        let socket = SockRef::from(tcp);
        let (first, interval) = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
        // By `tcp_keepalive_timer` of Linux: the end comes with the first timer, after the first probe, past the limit.
        let mut ends = first + interval;
        let mut lost = 1;
        while ends < socket.tcp_user_timeout().unwrap().unwrap() {
            ends += interval;
            lost += 1;
        }
        assert!(lost > 2 && ends <= Duration::from_secs(5), "{lost} probes, {ends:?}");
    }
}
