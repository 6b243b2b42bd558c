//! Limits over all instances: Redis decides, by one call per request, within a few milliseconds or not at all.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::courier::{Courier, Rounds};
use super::device::Demand;
use super::exchange::{Ear, Exchange};
use super::fault::RedisFault;
use super::lease::{Errand, Lease, Place};
use super::ledger::Ledger;
use super::link::Link;
use super::{Denied, InstanceSettings, LimiterError, calls};
use crate::secret::Secret;

/// This instance's part of the limiter in Redis.
pub(super) struct Shared {
    link: Arc<Link>,
    errands: mpsc::UnboundedSender<Errand>,
    exchange: Exchange,
    instance: Arc<str>,
    leases: AtomicU64,
    life: Duration,
    decision: Duration,
    _courier: Courier,
}

impl Shared {
    /// Connects. When Redis does not answer within a second, the limiter starts degraded.
    pub(super) async fn start(url: &Secret, settings: InstanceSettings) -> Result<Self, LimiterError> {
        let client = client(url)?;
        let link = Arc::new(Link::new(settings.instances));
        let (errands, received) = mpsc::unbounded_channel();
        let (instance, ear) = (random_name(), Ear::default());
        let (life, decision) = (settings.lease, settings.decision);
        let rounds = Rounds {
            client,
            link: Arc::clone(&link),
            errands: received,
            instance: Arc::clone(&instance),
            settings,
            ledger: Ledger::default(),
            ear: Ear::clone(&ear),
            seen: VecDeque::new(),
        };
        let mut tried = link.tried.subscribe();
        let courier = Courier::start(rounds).map_err(LimiterError::Thread)?;
        // The state tells how the attempt ended.
        let _ = timeout(FIRST_ATTEMPT, tried.wait_for(|tried| *tried)).await;
        let exchange = Exchange::new(errands.clone(), ear);
        Ok(Self { link, errands, exchange, instance, leases: AtomicU64::new(0), life, decision, _courier: courier })
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn errands(&self) -> &mpsc::UnboundedSender<Errand> {
        &self.errands
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// A new lease, which Redis does not know yet.
    pub(super) fn lease(&self, device: &Arc<str>) -> Lease {
        let number = self.leases.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", self.instance).into();
        Lease::new(Arc::clone(device), name, self.errands.clone())
    }

    /// Asks Redis; the answer says where Redis counts the request. A decision that comes too late is not used, but what
    /// it took stays taken until it leaves the window.
    pub(super) async fn ask(
        &self,
        device: &Arc<str>,
        demand: &Demand<'_>,
        lease: Option<&Lease>,
    ) -> Result<Result<Option<Place>, Denied>, RedisFault> {
        let decision = self.call(device, demand, lease.map_or("", Lease::name)).await;
        match decision {
            Ok(_) => self.link.succeeded(),
            Err(fault) => self.link.failed(fault),
        }
        if decision.is_err_and(|fault| fault == RedisFault::WrongType) {
            // When the Redis task has ended, so has the limiter.
            let _ = self.errands.send(Errand::Discard(Arc::clone(device)));
        }
        let place = |slot| demand.requests().map(|_| Place { window: demand.limits.window, slot });
        decision.map(|decision| decision.map(place))
    }

    async fn call(&self, device: &str, demand: &Demand<'_>, lease: &str) -> Result<Result<u64, Denied>, RedisFault> {
        let mut connection = self.link.connection()?;
        let _waiter = self.link.wait()?;
        let decision = calls::admit(&mut connection, device, demand, lease, self.life);
        timeout(self.decision, decision).await.unwrap_or(Err(RedisFault::Slow))
    }
}

impl Default for InstanceSettings {
    fn default() -> Self {
        Self {
            instances: NonZeroU32::MIN,
            heartbeat: Duration::from_secs(2),
            lease: Duration::from_secs(60),
            decision: DECISION,
        }
    }
}

/// A client of the server that `url` names. Does not connect.
pub(super) fn client(url: &Secret) -> Result<Client, LimiterError> {
    let info = url.expose().into_connection_info().map_err(|_| LimiterError::Url)?;
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    Client::open(info).map_err(|_| LimiterError::Url)
}

/// Names this instance among the others; the name is new at every start.
fn random_name() -> Arc<str> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source works, or nothing here is safe");
    format!("{:016x}", u64::from_be_bytes(bytes)).into()
}

/// With a late timer this is 5 ms.
const DECISION: Duration = Duration::from_millis(4);

const FIRST_ATTEMPT: Duration = Duration::from_secs(1);
