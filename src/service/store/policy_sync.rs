//! Keeps the copies in memory that requests are judged by equal to the database.
//!
//! Revocations, devices and budgets have a number each that grows with every change. It asks for the three every
//! second and reads what has a new number: of devices those that were changed, else all. So a revocation made at another
//! instance takes effect here about a second later. Instances tell each other of it in no other way: Redis has no part
//! in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::service::base::outage::Outage;
use crate::service::govern::access::AccessPolicy;
use crate::service::govern::budgets::{Budgets, Limits, Subject};
use crate::service::govern::overrides::DeviceOverride;
use crate::service::govern::revocation::{RevocationSet, Revoked};
use crate::service::store::database::{Database, Device, DeviceChanges, Revocation, RevocationKind, StoreError};
use crate::wire::DeviceId;

pub(crate) struct PolicySync {
    database: Database,
    access: AccessPolicy,
    budgets: Budgets,
    clock: Arc<dyn Clock>,
    /// The last revisions. One caller at a time reads.
    seen: Mutex<SyncedState>,
}

#[derive(Default)]
struct SyncedState {
    revocations: Option<i64>,
    devices: Option<i64>,
    budgets: Option<i64>,
    /// The budgets of single devices, and those of single users and organisations.
    limits: [HashMap<Subject, Limits>; 2],
    /// When the first of the revocations ends by itself.
    next_end: Option<SystemTime>,
}

impl PolicySync {
    pub(crate) fn new(database: Database, access: AccessPolicy, budgets: Budgets, clock: Arc<dyn Clock>) -> Self {
        Self { database, access, budgets, clock, seen: Mutex::default() }
    }

    /// Reads what has changed, also at once after a change by this instance. After an error the copies stay as they are
    /// and grow stale.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        let reading = async {
            let mut seen = self.seen.lock().await;
            self.catch_up_with_revocations(&mut seen).await?;
            self.catch_up_with_rules(&mut seen).await?;
            self.catch_up_with_budgets(&mut seen).await
        };
        // A reply that the network swallowed never comes; the next attempt takes another connection.
        tokio::time::timeout(LIMIT, reading).await.unwrap_or(Err(StoreError::Unreachable(sqlx::Error::PoolTimedOut)))
    }

    /// Catches up every second, for ever.
    pub(crate) async fn run(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outage = Outage::default();
        loop {
            ticks.tick().await;
            match self.catch_up().await {
                Err(error) if outage.begins() => {
                    tracing::error!(%error, "Cannot read the revocations; those read before stay in force");
                }
                Ok(()) if outage.ends() => tracing::info!("Revocations can be read again"),
                _ => {}
            }
        }
    }

    async fn catch_up_with_revocations(&self, seen: &mut SyncedState) -> Result<(), StoreError> {
        let (revocations, now) = (self.database.revocations(), self.clock.now());
        let unchanged = seen.revocations == Some(revocations.revision().await?);
        if unchanged && seen.next_end.is_none_or(|end| now < end) {
            self.access.revocations.confirm();
            return Ok(());
        }
        let (revision, live) = revocations.live(now).await?;
        seen.next_end = live.iter().filter_map(|entry| entry.expires_at).min();
        self.access.revocations.replace(live.into_iter().filter_map(revoked).collect::<RevocationSet>());
        seen.revocations = Some(revision);
        Ok(())
    }

    async fn catch_up_with_rules(&self, seen: &mut SyncedState) -> Result<(), StoreError> {
        let (devices, now) = (self.database.devices(), self.clock.now());
        let revision = devices.revision().await?;
        if seen.devices == Some(revision) {
            return Ok(());
        }
        if let Some(known) = seen.devices
            && let Some(changes) = devices.changes_after(known, revision, now).await?
        {
            self.change_rules(seen, changes);
            return Ok(());
        }
        let ruled = devices.changed_since(SystemTime::UNIX_EPOCH, now).await?;
        seen.limits[0] = ruled.iter().filter_map(budget_of).collect();
        self.budgets.replace_limits(seen.all_limits());
        self.access.replace_overrides(ruled.into_iter().map(rule_of).collect());
        seen.devices = Some(revision);
        Ok(())
    }

    fn change_rules(&self, seen: &mut SyncedState, changes: DeviceChanges) {
        let (mut overrides, mut budgets_differ) = (Vec::new(), false);
        for (id, device) in changes.devices {
            let (subject, budget) = (Subject::Device(id.clone()), device.as_ref().and_then(|device| device.budget));
            let before = match budget {
                Some(limits) => seen.limits[0].insert(subject, limits),
                None => seen.limits[0].remove(&subject),
            };
            budgets_differ |= before != budget;
            overrides.push((id, device.map(|device| rule_of(device).1)));
        }
        if budgets_differ {
            self.budgets.replace_limits(seen.all_limits());
        }
        self.access.change_overrides(overrides);
        seen.devices = Some(changes.revision);
    }

    async fn catch_up_with_budgets(&self, seen: &mut SyncedState) -> Result<(), StoreError> {
        let budgets = self.database.budgets();
        if seen.budgets != Some(budgets.revision().await?) {
            let (revision, all) = budgets.all().await?;
            seen.limits[1] = all.into_iter().map(|budget| (budget.subject, budget.limits)).collect();
            self.budgets.replace_limits(seen.all_limits());
            seen.budgets = Some(revision);
        }
        Ok(())
    }
}

impl SyncedState {
    fn all_limits(&self) -> HashMap<Subject, Limits> {
        self.limits.iter().flatten().map(|(subject, limits)| (subject.clone(), *limits)).collect()
    }
}

fn budget_of(device: &Device) -> Option<(Subject, Limits)> {
    device.budget.map(|limits| (Subject::Device(device.id.clone()), limits))
}

fn rule_of(device: Device) -> (DeviceId, Arc<DeviceOverride>) {
    let Device { id, ruled_org: org, ruled_user: user, models, limits, features, .. } = device;
    (id, Arc::new(DeviceOverride { org, user, models, limits, features: features.map(Arc::new) }))
}

/// Translates an entry of the database. An entry that makes no sense has no effect, and is logged for an operator.
fn revoked(entry: Revocation) -> Option<Revoked> {
    Some(match entry.kind {
        RevocationKind::Jti => Revoked::Jti(entry.value),
        RevocationKind::DeviceId => Revoked::Device(entry.value),
        RevocationKind::User => Revoked::User(entry.value),
        RevocationKind::Org => Revoked::Org(entry.value),
        RevocationKind::AppVersion => Revoked::AppVersion(entry.value),
        RevocationKind::IssuedBefore => {
            let Ok(second) = entry.value.parse() else {
                tracing::error!(id = entry.id, "A revocation names no time and has no effect");
                return None;
            };
            Revoked::IssuedBefore(second)
        }
        RevocationKind::DeviceTokens => {
            let parts = entry.value.split_once('@');
            let Some((device, second)) = parts.and_then(|(device, second)| Some((device, second.parse().ok()?))) else {
                tracing::error!(id = entry.id, "A revocation names no device and time and has no effect");
                return None;
            };
            Revoked::DeviceTokens(device.to_owned(), second)
        }
    })
}

const EVERY: Duration = Duration::from_secs(1);
/// Ample, because a round reads little.
const LIMIT: Duration = Duration::from_secs(10);
