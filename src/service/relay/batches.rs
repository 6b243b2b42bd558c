//! Message batches and files: gives each device only its own objects, although all devices share one upstream key.
//!
//! To the upstream every object belongs to the key, so [`Ledger`] decides: an object of another device answers 404 like
//! a missing one, without a request to the upstream. The pipeline calls these routes; they wait for the database, and
//! answer 503 without it.
//!
//! [`create`] makes objects and records their owners, [`own`] acts on one object, [`list`] answers from the ledger. The
//! usage of a batch is read from its results: while the device downloads them ([`results`]), or else by [`biller`].
//! [`file_ids`] keeps other requests from naming files of other devices.

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

/// Message batches and files, which devices keep upstream under one shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchesAndFiles {
    /// `BATCHES_AND_FILES`: whether devices may use them.
    pub offered: bool,
    /// `MAX_BATCH_SIZE` in bytes.
    pub max_batch: u64,
    /// `MAX_FILE_SIZE` in bytes.
    pub max_file: u64,
}

/// Serves the routes of batches and files; shared by all workers.
pub(crate) struct Batches {
    offer: BatchesAndFiles,
    ledger: Ledger,
    calls: Calls,
    biller: Arc<Biller>,
    usage: Arc<dyn UsageSink>,
    prices: Arc<ArcSwap<Prices>>,
    clock: Arc<dyn Clock>,
}

pub(crate) struct BatchSinks {
    /// All sinks, with the database.
    pub all: Arc<dyn UsageSink>,
    /// All sinks but the database.
    pub beside: Arc<dyn UsageSink>,
}

/// An admitted request whose body is not read yet.
pub(crate) struct BatchRequest<'a> {
    pub route: ObjectRoute,
    pub parts: Parts,
    pub body: Incoming,
    pub id: RequestId,
    /// When the head arrived.
    pub at: Instant,
    pub caller: Arc<Caller>,
    pub stake: Stake,
    pub worker: &'a Worker,
}

impl Batches {
    #[must_use]
    pub(crate) fn new(
        offer: BatchesAndFiles,
        ledger: Ledger,
        (config, connector): (&UpstreamConfig, Connector),
        sinks: BatchSinks,
        prices: Arc<ArcSwap<Prices>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let calls = Calls::new(config);
        let biller = Biller::new(
            ledger.clone(),
            calls.clone(),
            connector,
            sinks.beside,
            Arc::clone(&prices),
            Arc::clone(&clock),
        );
        Self { offer, ledger, calls, biller: Arc::new(biller), usage: sinks.all, prices, clock }
    }

    /// The task that bills batches whose results no device has downloaded.
    #[must_use]
    pub(crate) fn biller(&self) -> Arc<Biller> {
        Arc::clone(&self.biller)
    }

    /// An inspector that allows only files of `device` in a body.
    #[must_use]
    pub(crate) fn files_of(&self, device: &DeviceId) -> FileInspector {
        FileInspector::for_owner(self.ledger.clone(), device.clone())
    }

    /// Serves one request. Once the request is sent to the upstream, every outcome leaves a usage record.
    pub(crate) async fn serve(
        &self,
        batch_request: BatchRequest<'_>,
        pipeline: &Pipeline,
    ) -> Result<Response<Reply>, Problem> {
        match batch_request.route {
            ObjectRoute::CreateBatch | ObjectRoute::CreateFile => self.create(batch_request, pipeline).await,
            ObjectRoute::ListBatches | ObjectRoute::ListFiles => self.list(batch_request).await,
            _ => Box::pin(self.act(batch_request, pipeline)).await,
        }
    }

    /// Opens the record of a request that is about to be sent.
    fn recording(&self, route: ObjectRoute, id: &RequestId, caller: &Caller, stake: Stake, at: Instant) -> Recording {
        Recording::open(id, caller, route.name(), AskedModel::default(), Arc::clone(&self.usage), at).staking(stake)
    }
}

/// Answers with a response that was read whole, and finishes the record.
fn answered(whole: Whole, mut recording: Recording, id: &RequestId) -> Result<Response<Reply>, Problem> {
    let (status, upstream_id) = (whole.status(), whole.request_id());
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(refused_key(status, upstream_id, recording));
    }
    recording.answered(status.as_u16(), upstream_id);
    recording.finish(if status.is_success() { Ended::Complete } else { Ended::Error });
    Ok(whole.into_response(id))
}

/// The API's answer to an unknown id, given for an id of another device too.
fn unknown(kind: ObjectKind, id: &str) -> Problem {
    let what = match kind {
        ObjectKind::Batch => "Message batch",
        ObjectKind::File => "File",
    };
    let id: String = id.chars().take(SHOWN).collect();
    Problem::new(ErrorCode::ObjectUnknown, format!("{what} not found: {id}"))
}

/// Longest part of a requested id that an answer repeats.
const SHOWN: usize = 100;
