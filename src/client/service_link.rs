//! The connections to the service, at each of its endpoints that was used lately.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{Request, Response, StatusCode, Uri};
use tokio::time::Instant;

use super::error::ClientError;
use super::network::{link_error, network_error, unusable};
use super::proxies::Proxies;
use super::proxy_choice::ProxyChoice;
use super::session::Session;
use super::status::Level;
use crate::clock::Clock;
use crate::lock::lock;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::{Connector, HttpVersion};
use crate::transport::origin::Origin;
use crate::transport::tls::tls_config;
use crate::transport::upstream::{ProbeRule, Upstream, UpstreamBody, UpstreamError};
use crate::wire::names::{ERROR_HEADER, HEALTH_PATH};

/// Gives requests their connections; shared by all requests of the proxy, and by the calls for tokens.
pub(super) struct ServiceLink {
    tls: Option<rustls::ClientConfig>,
    clock: Arc<dyn Clock>,
    proxies: Proxies,
    /// Shows which HTTP proxy is used; a mere look at the service has none.
    session: Option<Arc<Session>>,
    pools: Mutex<Vec<Pool>>,
    /// The connection of the latest calls for a token, and when it was opened, by both clocks.
    latest_call: Mutex<Option<(Upstream, (Instant, SystemTime))>>,
}

struct Pool {
    upstream: Upstream,
    /// When it was used last, by a clock that stops while the machine sleeps and by one that goes on.
    used: (Instant, SystemTime),
    /// When the address of this machine was looked at last.
    looked: Instant,
}

impl ServiceLink {
    #[must_use]
    pub(super) fn new(
        tls: Option<rustls::ClientConfig>,
        clock: Arc<dyn Clock>,
        proxies: Proxies,
        session: Option<Arc<Session>>,
    ) -> Self {
        Self { tls, clock, proxies, session, pools: Mutex::default(), latest_call: Mutex::default() }
    }

    /// The connections to `origin`; new ones if the machine has slept or has another address.
    pub(super) fn at(&self, origin: &Arc<Origin>) -> Upstream {
        let now = (Instant::now(), self.clock.now());
        if self.drop_doubtful(origin, now) {
            self.look_for_proxy();
        }
        let mut pools = lock(&self.pools);
        if let Some(pool) = pools.iter_mut().find(|pool| pool.upstream.origin() == origin.as_ref()) {
            pool.used = now;
            return pool.upstream.clone();
        }
        pools.retain(|pool| now.0.duration_since(pool.used.0) < UNUSED);
        let upstream = self.upstream(origin);
        pools.push(Pool { upstream: upstream.clone(), used: now, looked: now.0 });
        upstream
    }

    /// Drops the connections to `origin` if the machine has slept or has another address. True if it has.
    fn drop_doubtful(&self, origin: &Origin, now: (Instant, SystemTime)) -> bool {
        let mut pools = lock(&self.pools);
        let Some(place) = pools.iter().position(|pool| pool.upstream.origin() == origin) else { return false };
        let is_doubtful = pools[place].slept(now) || pools[place].has_moved(now.0);
        if is_doubtful {
            pools.swap_remove(place);
        }
        is_doubtful
    }

    fn upstream(&self, origin: &Arc<Origin>) -> Upstream {
        Upstream::probing(self.connector(origin, CONNECT).with_dead_peer_limit(DEAD_PEER), PROBE)
    }

    fn connector(&self, origin: &Arc<Origin>, limit: Duration) -> Connector {
        // A service on this machine without TLS may send its clients to another one with TLS.
        let missing = origin.is_tls() && self.tls.is_none();
        let tls = if missing { tls_config(None).ok() } else { self.tls.clone() };
        let hops = self.proxies.hops_to(origin);
        Connector::new(Arc::clone(origin), tls, HttpVersion::Auto, limit).through(hops)
    }

    /// Sends one request. The calls of one start or renewal share a connection; one of half an hour ago may be dead without
    /// notice.
    pub(super) async fn call(
        &self,
        origin: &Arc<Origin>,
        request: Request<BufferedBody>,
    ) -> Result<Response<UpstreamBody>, ClientError> {
        self.caller(origin).send(request, ANSWER).await.map_err(|error| {
            let told = self.error(&error, origin).unwrap_or_else(|| network_error(&self.way_to(origin), &error));
            self.look_for_proxy();
            told
        })
    }

    fn caller(&self, origin: &Arc<Origin>) -> Upstream {
        let now = (Instant::now(), self.clock.now());
        let mut latest = lock(&self.latest_call);
        if let Some((upstream, opened)) = latest.as_ref()
            && upstream.origin() == origin.as_ref()
            && now.0 < opened.0 + SAME_CALLS
            && now.1 < opened.1 + SAME_CALLS
        {
            return upstream.clone();
        }
        let upstream = Upstream::new(self.connector(origin, CALL_CONNECT));
        *latest = Some((upstream.clone(), now));
        upstream
    }

    /// As [`Proxies::way_to`].
    #[must_use]
    pub(super) fn way_to(&self, origin: &Origin) -> String {
        self.proxies.way_to(origin)
    }

    /// Why a request did not reach the service at `origin`; `None` if the cause is another one.
    #[must_use]
    pub(super) fn error(&self, error: &UpstreamError, origin: &Origin) -> Option<ClientError> {
        link_error(error, &self.way_to(origin))
    }

    /// Sends new connections by the next hops of `choice`. True if they are other ones than before.
    pub(super) fn choose_proxy(&self, choice: &ProxyChoice) -> bool {
        let is_news = self.proxies.choose(choice);
        if is_news {
            self.proxy_changed();
        }
        is_news
    }

    /// Looks which HTTP proxy the system names by now.
    fn look_for_proxy(&self) {
        if self.proxies.read_again() {
            self.proxy_changed();
        }
    }

    /// Streams on the former connections go on.
    fn proxy_changed(&self) {
        self.drop_connections();
        let Some(session) = &self.session else { return };
        let proxy = self.proxies.shown();
        let line = match &proxy {
            Some(proxy) => format!("The service is reached through the proxy {proxy} from now on"),
            None => "The service is reached directly from now on".to_owned(),
        };
        session.log(Level::Info, line);
        if let Some(warning) = proxy.as_deref().and_then(unusable) {
            session.log(Level::Warn, warning);
        }
        session.use_proxy(proxy);
    }

    /// Whether the service answers its health check over these connections. False if something else answers: a login
    /// page, or a gateway that leads to no health check. An error if nobody answers, or if a load balancer answers a 5xx
    /// for a service that is away.
    pub(super) async fn reaches(&self, origin: &Arc<Origin>) -> Result<bool, ClientError> {
        let mut check = Request::new(BufferedBody::default());
        *check.uri_mut() = origin.retarget(&Uri::from_static(HEALTH_PATH));
        let answer = match self.at(origin).send(check, ANSWER).await {
            Ok(answer) => answer,
            Err(error) => {
                let error = self.error(&error, origin);
                self.look_for_proxy();
                return error.map_or(Ok(false), Err);
            }
        };
        let status = answer.status();
        if status == StatusCode::OK || answer.headers().contains_key(ERROR_HEADER) {
            return Ok(true);
        }
        if status.is_server_error() {
            let message = format!("{}: it answered {status}", self.way_to(origin));
            return Err(ClientError::Unavailable { message, retry_after: None });
        }
        Ok(false)
    }

    /// Drops the pooled connections: after a sleep, or on another network, they may be dead without notice, and another
    /// HTTP proxy may count. Streams on them go on.
    pub(super) fn forget(&self) {
        self.drop_connections();
        self.look_for_proxy();
    }

    fn drop_connections(&self) {
        lock(&self.pools).clear();
        *lock(&self.latest_call) = None;
    }
}

impl Pool {
    /// Whether the machine slept since the last use: the wall clock then went further than the other one.
    fn slept(&self, now: (Instant, SystemTime)) -> bool {
        let awake = now.0.duration_since(self.used.0);
        now.1.duration_since(self.used.1).is_ok_and(|passed| passed > awake + SHORTEST_SLEEP)
    }

    /// Whether the machine has another address than when the latest connection was opened.
    fn has_moved(&mut self, now: Instant) -> bool {
        if now.duration_since(self.looked) < LOOK_PAUSE {
            return false;
        }
        self.looked = now;
        self.upstream.has_moved()
    }
}

const CONNECT: Duration = Duration::from_secs(10);

/// How long the connection of a call for a token, or of a first look at the service, may take.
const CALL_CONNECT: Duration = Duration::from_secs(5);

/// For how long calls belong to one start or renewal.
const SAME_CALLS: Duration = Duration::from_secs(2);

/// How long the service's machine may acknowledge nothing: an SDK is told within five seconds that its request is lost.
/// Linux is up to half a second late. A silent stream ends with the third probe in a row that is lost; the probes cost a
/// packet a second while a connection is open and silent.
const DEAD_PEER: Duration = Duration::from_secs(4);

/// A pause in which a laptop can have changed its network.
const PROBE: ProbeRule = ProbeRule { after: Duration::from_secs(1), path: "/" };

const SHORTEST_SLEEP: Duration = Duration::from_secs(2);

/// How long one look at the machine's address is good for, so that a stream of requests does not pay for it.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// How long the connections to an endpoint that is not used any more are kept.
const UNUSED: Duration = Duration::from_secs(5 * 60);

/// How long the head of an answer to a check of the service, or to a call for a token, may take.
const ANSWER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::clock::ManualClock;
    use crate::transport::next_hop::SystemProxies;

    /// Accepts a connection and answers one request on it.
    async fn answer(listener: &TcpListener) -> TcpStream {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"\r\n\r\n") {
            assert!(socket.read_buf(&mut received).await.unwrap() > 0);
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        socket
    }

    #[tokio::test]
    async fn f81_connections_from_a_former_address_of_this_machine_are_dropped_unused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Arc::new(Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap());
        let proxies = Proxies::new(&ProxyChoice::default(), Arc::new(SystemProxies::read), vec![Arc::clone(&origin)]);
        let link = ServiceLink::new(None, Arc::new(ManualClock::starting_now()), proxies, None);
        let (reached, mut former) = tokio::join!(link.reaches(&origin), answer(&listener));
        assert!(reached.unwrap());
        link.at(&origin).move_machine();
        tokio::time::pause();
        tokio::time::advance(LOOK_PAUSE).await;
        tokio::time::resume();
        let (reached, _present) = tokio::join!(link.reaches(&origin), answer(&listener));
        assert!(reached.unwrap());
        assert_eq!(former.read(&mut [0]).await.unwrap(), 0, "not even a probe goes over it");
    }
}
