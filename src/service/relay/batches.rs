//! Message batches and files: gives each device only its own objects, although all devices share one upstream key.
//!
//! To the upstream every object belongs to the key, so [`Ledger`] decides: an object of another device answers 404 like
//! a missing one, without a request to the upstream. The handler calls these routes; they wait for the database, and
//! answer 503 without it.
//!
//! [`create`] makes objects and records their owners, [`own`] acts on one object, [`list`] answers from the ledger. The
//! usage of a batch is read from its results: while the device downloads them ([`results`]), or else by [`biller`].

mod bill;
mod biller;
pub(super) mod call;
mod create;
mod list;
mod own;
mod request_check;
mod results;
mod results_url;
mod upload;

use std::sync::Arc;

use http::request::Parts;
use http::{Response, StatusCode};
use tokio::time::Instant;

pub(crate) use self::biller::Biller;
pub(crate) use self::call::Calls;
use self::call::Whole;
use crate::clock::Clock;
use crate::service::meter::usage::{Ended, UsageSink};
use crate::service::relay::admission::Arrival;
use crate::service::relay::answer::refused_key;
use crate::service::relay::in_flight::InFlight;
use crate::service::relay::key_probe::KeyProbe;
use crate::service::relay::key_swap::UpstreamConfig;
use crate::service::relay::ledger::Ledger;
use crate::service::relay::pipeline::Stages;
use crate::service::relay::references::References;
use crate::service::relay::route::{ObjectRoute, RelayRoute};
use crate::service::relay::worker::Worker;
use crate::transport::client_body::ClientBody;
use crate::transport::connect::Connector;
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;

/// Message batches and files, which devices keep upstream under one shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchesAndFiles {
    /// Whether devices may use them.
    pub offered: bool,
    /// In bytes, the largest that a device may send.
    pub max_batch: u64,
    /// In bytes, the largest that a device may send.
    pub max_file: u64,
}

/// Serves the routes of batches and files; shared by all workers.
pub(crate) struct Batches {
    offer: BatchesAndFiles,
    stages: Arc<Stages>,
    ledger: Ledger,
    references: References,
    calls: Calls,
    biller: Arc<Biller>,
    clock: Arc<dyn Clock>,
}

/// What the routes of batches and files work with.
pub(crate) struct BatchParts<'a> {
    pub offer: BatchesAndFiles,
    pub stages: Arc<Stages>,
    pub ledger: Ledger,
    pub references: References,
    pub upstream: &'a UpstreamConfig,
    pub probe: Arc<KeyProbe>,
    pub connector: Connector,
    /// Takes the records that the biller makes; the biller itself writes them into the database.
    pub sink_beside_database: Arc<dyn UsageSink>,
    pub clock: Arc<dyn Clock>,
}

/// An admitted request whose body is not read yet.
struct BatchRequest<'a> {
    route: ObjectRoute,
    parts: Parts,
    body: ClientBody,
    id: RequestId,
    /// When the head arrived.
    at: Instant,
    flight: InFlight,
    worker: &'a Worker,
}

impl Batches {
    pub(crate) fn new(parts: BatchParts<'_>) -> Self {
        let BatchParts { offer, stages, ledger, references, upstream, probe, connector, sink_beside_database, clock } =
            parts;
        let calls = Calls::new(upstream, Arc::clone(&stages.answers.swap), probe);
        let biller = Biller::new(
            ledger.clone(),
            calls.clone(),
            connector,
            sink_beside_database,
            Arc::clone(&stages.budgets.prices),
            Arc::clone(&clock),
        );
        Self { offer, stages, ledger, references, calls, biller: Arc::new(biller), clock }
    }

    /// The task that bills batches whose results no device has downloaded.
    pub(crate) fn biller(&self) -> Arc<Biller> {
        Arc::clone(&self.biller)
    }

    /// Serves one request for `route`. Once the request is sent to the upstream, every outcome leaves a usage record.
    pub(crate) async fn serve(
        &self,
        route: ObjectRoute,
        arrival: Arrival,
        worker: &Worker,
    ) -> Result<Response<Reply>, Problem> {
        let flight = self.stages.admission.admit(&arrival, worker).await?;
        let Arrival { request, id, at, .. } = arrival;
        let (parts, body) = request.into_parts();
        let request = BatchRequest { route, parts, body, id, at, flight, worker };
        match route {
            ObjectRoute::CreateBatch | ObjectRoute::CreateFile => self.create(request).await,
            ObjectRoute::ListBatches | ObjectRoute::ListFiles => self.list(request).await,
            _ => Box::pin(self.act(request)).await,
        }
    }

    /// Opens the record of a request that is about to be sent.
    fn open_record(&self, flight: &mut InFlight, route: ObjectRoute, id: &RequestId, at: Instant) {
        flight.open_record(self.stages.record(flight, RelayRoute::Object(route), id, at));
    }
}

/// Answers with a response that was read whole, and finishes the record.
pub(super) fn answered(whole: Whole, mut flight: InFlight, id: &RequestId) -> Result<Response<Reply>, Problem> {
    let (status, upstream_id) = (whole.status(), whole.request_id());
    if status == StatusCode::UNAUTHORIZED {
        return Err(refused_key(upstream_id, flight));
    }
    flight.answered(status.as_u16(), upstream_id);
    flight.finish(if status.is_success() { Ended::Complete } else { Ended::Error });
    Ok(whole.into_response(id))
}
