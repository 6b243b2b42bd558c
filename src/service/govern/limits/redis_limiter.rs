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

use super::device::Demand;
use super::gossip::{Gossip, GossipListener};
use super::key_names::{KeyNames, USUAL};
use super::lease::{Lease, RedisCount, RedisUpdate};
use super::link::Link;
use super::pending::PendingUpdates;
use super::redis_error::RedisLinkError;
use super::redis_task::{RedisLoop, RedisTask};
use super::{InstanceSettings, LimitExceededError, LimiterError, calls};
use crate::random::random;
use crate::secret::Secret;

/// This instance's part of the limiter in Redis.
pub(super) struct RedisLimiter {
    pub link: Arc<Link>,
    pub updates: mpsc::UnboundedSender<RedisUpdate>,
    pub gossip: Gossip,
    pub names: KeyNames,
    instance: Arc<str>,
    leases: AtomicU64,
    life: Duration,
    decision: Duration,
    _task: RedisTask,
}

impl RedisLimiter {
    /// Connects. When Redis does not answer within a second, the limiter starts degraded.
    pub(super) async fn start(url: &Secret, settings: InstanceSettings) -> Result<Self, LimiterError> {
        let client = client(url)?;
        let link = Arc::new(Link::new(settings.instances));
        let (updates, received) = mpsc::unbounded_channel();
        let (instance, listener) = (random_name(), GossipListener::default());
        let (life, decision, names) = (settings.lease, settings.decision, KeyNames::of(&settings.deployment));
        let redis_loop = RedisLoop {
            client,
            link: Arc::clone(&link),
            updates: received,
            instance: Arc::clone(&instance),
            names: names.clone(),
            settings,
            pending: PendingUpdates::default(),
            listener: GossipListener::clone(&listener),
            seen: VecDeque::new(),
        };
        let mut tried = link.tried.subscribe();
        let task = RedisTask::start(redis_loop).map_err(LimiterError::Thread)?;
        // The state tells how the attempt ended.
        let _ = timeout(FIRST_ATTEMPT, tried.wait_for(|tried| *tried)).await;
        let gossip = Gossip { updates: updates.clone(), listener };
        Ok(Self { link, updates, gossip, names, instance, leases: AtomicU64::new(0), life, decision, _task: task })
    }

    /// A new lease, which Redis does not know yet.
    pub(super) fn lease(&self, device: &Arc<str>) -> Lease {
        let number = self.leases.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", self.instance).into();
        Lease::new(Arc::clone(device), name, self.updates.clone())
    }

    /// Asks Redis; the answer says how Redis counts the request. A decision that comes too late is not used, but what
    /// it took stays taken until it leaves the window.
    pub(super) async fn ask(
        &self,
        device: &Arc<str>,
        demand: &Demand<'_>,
        lease: Option<&Lease>,
    ) -> Result<Result<RedisCount, LimitExceededError>, RedisLinkError> {
        let decision = self.call(device, demand, lease.map_or("", Lease::name)).await;
        match decision {
            Ok(_) => self.link.succeeded(),
            Err(fault) => self.link.failed(fault),
        }
        if decision.is_err_and(|fault| fault == RedisLinkError::WrongType) {
            // When the Redis task has ended, so has the limiter.
            let _ = self.updates.send(RedisUpdate::Discard(Arc::clone(device)));
        }
        decision
    }

    async fn call(
        &self,
        device: &str,
        demand: &Demand<'_>,
        lease: &str,
    ) -> Result<Result<RedisCount, LimitExceededError>, RedisLinkError> {
        let mut connection = self.link.connection()?;
        let _waiter = self.link.wait()?;
        let decision = calls::admit(&mut connection, device, demand, lease, self.life);
        timeout(self.decision, decision).await.unwrap_or(Err(RedisLinkError::Slow))
    }
}

impl Default for InstanceSettings {
    fn default() -> Self {
        Self {
            deployment: USUAL.into(),
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
    format!("{:016x}", u64::from_be_bytes(random())).into()
}

/// With a late timer this is 5 ms.
const DECISION: Duration = Duration::from_millis(4);

const FIRST_ATTEMPT: Duration = Duration::from_secs(1);
