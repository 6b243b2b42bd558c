//! The connections to the service, at each of its endpoints that was used lately.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{Request, StatusCode, Uri};
use tokio::time::Instant;

use super::error::ClientError;
use super::network::{link_error, way_to};
use crate::clock::Clock;
use crate::lock::lock;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::{Connector, HttpVersion};
use crate::transport::origin::Origin;
use crate::transport::tls::tls_config;
use crate::transport::upstream::{ProbeRule, Upstream};
use crate::wire::names::{ERROR_HEADER, HEALTH_PATH};

/// Gives requests their connections; shared by all requests of the proxy.
pub(super) struct ServiceLink {
    tls: Option<rustls::ClientConfig>,
    clock: Arc<dyn Clock>,
    pools: Mutex<Vec<Pool>>,
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
    pub(super) fn new(tls: Option<rustls::ClientConfig>, clock: Arc<dyn Clock>) -> Self {
        Self { tls, clock, pools: Mutex::default() }
    }

    /// The connections to `origin`; new ones if the machine has slept or has another address.
    pub(super) fn at(&self, origin: &Arc<Origin>) -> Upstream {
        let now = (Instant::now(), self.clock.now());
        let mut pools = lock(&self.pools);
        if let Some(pool) = pools.iter_mut().find(|pool| pool.upstream.origin() == origin.as_ref()) {
            if pool.slept(now) || pool.has_moved(now.0) {
                *pool = self.pool(origin, now);
            }
            pool.used = now;
            return pool.upstream.clone();
        }
        pools.retain(|pool| now.0.duration_since(pool.used.0) < UNUSED);
        let pool = self.pool(origin, now);
        let upstream = pool.upstream.clone();
        pools.push(pool);
        upstream
    }

    fn pool(&self, origin: &Arc<Origin>, now: (Instant, SystemTime)) -> Pool {
        Pool { upstream: self.upstream(origin), used: now, looked: now.0 }
    }

    fn upstream(&self, origin: &Arc<Origin>) -> Upstream {
        // A service on this machine without TLS may send its clients to another one with TLS.
        let missing = origin.is_tls() && self.tls.is_none();
        let tls = if missing { tls_config(None).ok() } else { self.tls.clone() };
        let connector = Connector::new(Arc::clone(origin), tls, HttpVersion::Auto, CONNECT).with_system_proxy();
        Upstream::probing(connector.with_dead_peer_limit(DEAD_PEER), PROBE)
    }

    /// Whether the service answers its health check over these connections. False if something else answers: a login
    /// page, or a gateway that leads to no health check. An error if nobody answers, or if a load balancer answers a 5xx
    /// for a service that is away.
    pub(super) async fn reaches(&self, origin: &Arc<Origin>) -> Result<bool, ClientError> {
        let mut check = Request::new(BufferedBody::default());
        *check.uri_mut() = origin.retarget(&Uri::from_static(HEALTH_PATH));
        let answer = match self.at(origin).send(check, ANSWER).await {
            Ok(answer) => answer,
            Err(error) => return link_error(&error, origin).map_or(Ok(false), Err),
        };
        let status = answer.status();
        if status == StatusCode::OK || answer.headers().contains_key(ERROR_HEADER) {
            return Ok(true);
        }
        if status.is_server_error() {
            let message = format!("{}: it answered {status}", way_to(origin));
            return Err(ClientError::Unavailable { message, retry_after: None });
        }
        Ok(false)
    }

    /// Drops the pooled connections: after a sleep, or on another network, they may be dead without notice. Streams on
    /// them go on.
    pub(super) fn forget(&self) {
        lock(&self.pools).clear();
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

/// How long a check of the service may take.
const ANSWER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::clock::ManualClock;

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
        let link = ServiceLink::new(None, Arc::new(ManualClock::starting_now()));
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
