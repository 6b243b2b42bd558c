//! Message batches and files: what devices have upstream, under the one key that all of them share.
//!
//! To the upstream everything belongs to the key, so [`Ledger`] decides: a device reaches what it has made, and everything
//! else is not there, whether it exists or not; the upstream is not even asked. These routes are not hot and wait for the
//! database. What can go wrong: the database is away, and then they are a 503.
//!
//! [`create`] makes and keeps, [`own`] acts on one object, [`list`] answers from the ledger. What batches use is read from
//! their results ([`results`]), by [`biller`] where nobody fetches them. [`file_ids`] keeps other requests from naming
//! others' files.

mod bill;
mod biller;
mod call;
mod create;
mod file_ids;
mod ledger;
mod list;
mod models;
mod own;
mod results;
mod results_url;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;

pub(crate) use self::biller::Biller;
use self::call::{Calls, Whole};
pub(crate) use self::file_ids::FileInspector;
pub(crate) use self::ledger::Ledger;
pub(crate) use self::results::ResultsReader;
use crate::clock::Clock;
use crate::service::meter::prices::Prices;
use crate::service::meter::usage::{Ended, Recording, UsageSink};
use crate::service::relay::key_swap::UpstreamConfig;
use crate::service::relay::model::AskedModel;
use crate::service::relay::pipeline::{Pipeline, Worker, refused_key};
use crate::service::relay::route::ObjectRoute;
use crate::service::relay::stake::Stake;
use crate::service::store::database::ObjectKind;
use crate::service::token::verify::Caller;
use crate::transport::connect::Connector;
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::wire::{DeviceId, ErrorCode};

/// What devices may keep upstream, under the one key that all of them share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchesAndFiles {
    /// `BATCHES_AND_FILES`: whether they may at all.
    pub offered: bool,
    /// `MAX_BATCH_SIZE` in bytes.
    pub max_batch: u64,
    /// `MAX_FILE_SIZE` in bytes.
    pub max_file: u64,
}

/// Serves the routes of batches and files; shared by all workers.
pub(crate) struct Objects {
    offer: BatchesAndFiles,
    ledger: Ledger,
    calls: Calls,
    biller: Arc<Biller>,
    usage: Arc<dyn UsageSink>,
    prices: Arc<ArcSwap<Prices>>,
    clock: Arc<dyn Clock>,
}

/// Where usage goes.
pub(crate) struct Takers {
    /// To everybody, the database included.
    pub all: Arc<dyn UsageSink>,
    /// To everybody but the database.
    pub beside: Arc<dyn UsageSink>,
}

/// A request that has passed the gates, of whose body nothing is read yet.
pub(crate) struct Visit<'a> {
    /// What it asks for.
    pub route: ObjectRoute,
    /// Its head.
    pub parts: Parts,
    /// Its body.
    pub body: Incoming,
    /// Its name.
    pub id: RequestId,
    /// When its head was here.
    pub at: Instant,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// What it has taken.
    pub stake: Stake,
    /// The worker that serves it.
    pub worker: &'a Worker,
}

impl Objects {
    /// Offers what `offer` says, to the upstream that `config` and `connector` describe.
    #[must_use]
    pub(crate) fn new(
        offer: BatchesAndFiles,
        ledger: Ledger,
        (config, connector): (&UpstreamConfig, Connector),
        takers: Takers,
        prices: Arc<ArcSwap<Prices>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let calls = Calls::new(config);
        let biller = Biller::new(
            ledger.clone(),
            calls.clone(),
            connector,
            takers.beside,
            Arc::clone(&prices),
            Arc::clone(&clock),
        );
        Self { offer, ledger, calls, biller: Arc::new(biller), usage: takers.all, prices, clock }
    }

    /// What looks after batches that nobody fetches.
    #[must_use]
    pub(crate) fn biller(&self) -> Arc<Biller> {
        Arc::clone(&self.biller)
    }

    /// Lets a body name the files of `device` only.
    #[must_use]
    pub(crate) fn files_of(&self, device: &DeviceId) -> FileInspector {
        FileInspector::for_owner(self.ledger.clone(), device.clone())
    }

    /// Serves one request.
    ///
    /// # Errors
    /// The [`Problem`] to answer with. Once the request is on its way up, a usage record is left in every case.
    pub(crate) async fn serve(&self, visit: Visit<'_>, pipeline: &Pipeline) -> Result<Response<Reply>, Problem> {
        match visit.route {
            ObjectRoute::CreateBatch | ObjectRoute::CreateFile => self.create(visit, pipeline).await,
            ObjectRoute::ListBatches | ObjectRoute::ListFiles => self.list(visit).await,
            _ => Box::pin(self.act(visit, pipeline)).await,
        }
    }

    /// The record of a request that is about to go up.
    fn recording(&self, route: ObjectRoute, id: &RequestId, caller: &Caller, stake: Stake, at: Instant) -> Recording {
        Recording::open(id, caller, route.name(), AskedModel::default(), Arc::clone(&self.usage), at).staking(stake)
    }
}

/// Passes an answer on that was read whole, and finishes the record.
fn answered(whole: Whole, mut recording: Recording, id: &RequestId) -> Result<Response<Reply>, Problem> {
    let (status, upstream_id) = (whole.status(), whole.request_id());
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(refused_key(status, upstream_id, recording));
    }
    recording.answered(status.as_u16(), upstream_id);
    recording.finish(if status.is_success() { Ended::Complete } else { Ended::Error });
    Ok(whole.into_response(id))
}

/// What the API says of an id that it does not know, and we of one that is another device's.
fn unknown(kind: ObjectKind, id: &str) -> Problem {
    let what = match kind {
        ObjectKind::Batch => "Message batch",
        ObjectKind::File => "File",
    };
    let id: String = id.chars().take(SHOWN).collect();
    Problem::new(ErrorCode::ObjectUnknown, format!("{what} not found: {id}"))
}

/// So much of an id from a request is repeated.
const SHOWN: usize = 100;
