//! Bills batches whose usage is not recorded: a batch that ended an hour ago and whose results its device has not
//! downloaded to the end, and a batch that its device is about to delete.
//!
//! One task on the control thread looks at one batch at a time, at most one every two seconds. Instances share the
//! table: the instance that first moves a batch's time has the lease. Failures are tried again until the upstream has
//! deleted the results.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use http::StatusCode;
use serde::Deserialize;
use tokio::time::MissedTickBehavior;

use super::bill::Bill;
use super::call::{Calls, of_our_own};
use crate::clock::Clock;
use crate::service::base::outage::Outage;
use crate::service::meter::money::MicroDollars;
use crate::service::meter::prices::Prices;
use crate::service::meter::usage::{UsageRecord, UsageSink};
use crate::service::relay::ledger::Ledger;
use crate::service::relay::route::BATCHES;
use crate::service::store::database::{OwnedObject, StoreError, UsageRow};
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::Connector;
use crate::transport::upstream::Upstream;

/// Records the usage of batches.
pub(crate) struct Biller {
    ledger: Ledger,
    calls: Calls,
    /// Connections of the control thread.
    upstream: Upstream,
    /// The sinks beside the database.
    told: Arc<dyn UsageSink>,
    prices: Arc<ArcSwap<Prices>>,
    clock: Arc<dyn Clock>,
}

/// The outcome of a look at a batch.
#[derive(Debug)]
pub(super) enum Looked {
    /// The usage is recorded.
    OnRecord,
    /// The batch has not ended.
    Running,
    /// The batch has ended, and its device may download the results until this time.
    Waits(SystemTime),
    /// The upstream does not know the batch, or has deleted its results.
    Missing,
    Failed(String),
}

/// The fields of a batch that decide about billing.
#[derive(Deserialize)]
struct BatchStatus {
    processing_status: String,
    ended_at: Option<String>,
    results_url: Option<String>,
}

impl Biller {
    pub(super) fn new(
        ledger: Ledger,
        calls: Calls,
        connector: Connector,
        told: Arc<dyn UsageSink>,
        prices: Arc<ArcSwap<Prices>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { ledger, calls, upstream: Upstream::new(connector), told, prices, clock }
    }

    pub(crate) async fn run(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outage = Outage::default();
        loop {
            ticks.tick().await;
            self.upstream.drop_dead();
            match self.turn().await {
                Err(error) if outage.begins() => tracing::warn!(%error, "Cannot look after message batches"),
                Ok(()) if outage.ends() => tracing::info!("Message batches can be looked after again"),
                _ => {}
            }
        }
    }

    /// Bills a batch now, if it has ended. Must run on the control thread.
    pub(super) async fn bill_now(&self, batch: &OwnedObject) -> Looked {
        let looked = self.look(batch, false).await;
        if !matches!(looked, Looked::OnRecord) {
            return looked;
        }
        match self.ledger.database().owned_objects().settle(&batch.id).await {
            Ok(()) => looked,
            Err(error) => Looked::Failed(error.to_string()),
        }
    }

    /// Looks at the batch that is due, if there is one.
    async fn turn(&self) -> Result<(), StoreError> {
        let (objects, now) = (self.ledger.database().owned_objects(), self.clock.now());
        let Some(mut batch) = objects.due(now).await? else { return Ok(()) };
        let lease = Some(now + LEASE);
        if !objects.look_again(&batch, lease).await? {
            return Ok(());
        }
        batch.look_at = lease;
        let next = match self.look(&batch, true).await {
            Looked::OnRecord => None,
            Looked::Running => Some(now + AGAIN),
            Looked::Waits(until) => Some(until),
            Looked::Missing => give_up(&batch, now, "the upstream does not have it"),
            Looked::Failed(why) => {
                tracing::warn!(batch = batch.id, why, "Cannot look after a message batch; it is tried again");
                give_up(&batch, now, &why)
            }
        };
        objects.look_again(&batch, next).await.map(|_| ())
    }

    async fn look(&self, batch: &OwnedObject, patiently: bool) -> Looked {
        let head = of_our_own(&format!("{BATCHES}/{}", batch.id));
        let whole = match self.calls.whole(&self.upstream, head, BufferedBody::default()).await {
            Ok(whole) if whole.status() == StatusCode::NOT_FOUND => return Looked::Missing,
            Ok(whole) if whole.status().is_success() => whole,
            Ok(whole) => return Looked::Failed(format!("the upstream answers {}", whole.status())),
            Err(problem) => return Looked::Failed(problem.to_string()),
        };
        let Ok(state) = serde_json::from_slice::<BatchStatus>(&whole.body) else {
            return Looked::Failed("the answer of the upstream is not a batch".into());
        };
        if state.processing_status != "ended" {
            return Looked::Running;
        }
        let ended = state.ended_at.as_deref().and_then(|at| humantime::parse_rfc3339_weak(at).ok());
        let until = ended.filter(|_| patiently).map(|ended| ended + FOR_ITS_DEVICE);
        match (until, &state.results_url) {
            (Some(until), _) if until > self.clock.now() => Looked::Waits(until),
            (_, None) => Looked::Missing,
            (_, Some(_)) => self.bill(batch).await.map_or_else(Looked::Failed, |()| Looked::OnRecord),
        }
    }

    /// Reads all results. Records that were written before stay as they are.
    async fn bill(&self, batch: &OwnedObject) -> Result<(), String> {
        let head = of_our_own(&format!("{BATCHES}/{}/results", batch.id));
        let response =
            self.calls.open(&self.upstream, head, BufferedBody::default()).await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("the upstream answers {} for the results", response.status()));
        }
        let mut body = response.into_body();
        let mut bill = Bill::new(batch.clone(), self.prices.load_full());
        let mut records = Vec::new();
        while let Some(bytes) = self.calls.next(&mut body).await.map_err(|error| error.to_string())? {
            bill.read(&bytes, |record| records.push(record));
            if records.len() >= TOGETHER {
                self.write(std::mem::take(&mut records)).await.map_err(|error| error.to_string())?;
            }
        }
        let unread = bill.finish(|record| records.push(record));
        self.write(records).await.map_err(|error| error.to_string())?;
        if unread > 0 {
            tracing::error!(
                batch = batch.id,
                unread,
                "Some results of a message batch cannot be read; their usage is not recorded"
            );
        }
        Ok(())
    }

    /// Bypasses the queue of the other records: a batch counts as settled only when its records are in the database.
    async fn write(&self, records: Vec<UsageRecord>) -> Result<(), StoreError> {
        let now = self.clock.now();
        let row = |record: &UsageRecord| UsageRow::of(record.clone(), now, record.cost.map(MicroDollars::get));
        let rows: Vec<_> = records.iter().map(row).collect();
        self.ledger.database().usage().insert(&rows, now).await?;
        for record in records {
            self.told.record(&Arc::new(record));
        }
        Ok(())
    }
}

/// When to look again at a batch that gave nothing; `None` when the upstream has deleted the results.
fn give_up(batch: &OwnedObject, now: SystemTime, why: &str) -> Option<SystemTime> {
    if now.duration_since(batch.created_at).is_ok_and(|age| age > LIFE) {
        tracing::error!(batch = batch.id, device = %batch.device, why, "A message batch is on no bill");
        return None;
    }
    Some(now + AGAIN)
}

/// At most one batch in this time.
const EVERY: Duration = Duration::from_secs(2);

/// Pause between two looks at a batch.
const AGAIN: Duration = Duration::from_secs(15 * 60);

/// How long the device has to download its results before the service downloads them too.
const FOR_ITS_DEVICE: Duration = Duration::from_secs(3600);

/// How long no other instance looks at the batch. If this instance ends meanwhile, another one takes over afterwards.
const LEASE: Duration = Duration::from_secs(30 * 60);

/// The API keeps results for 29 days.
const LIFE: Duration = Duration::from_secs(29 * 24 * 3600);

/// Records in one transaction.
const TOGETHER: usize = 500;
