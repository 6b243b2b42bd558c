//! Acts on one object of a device: reads, cancels or deletes it, or downloads its content.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Response;

use super::biller::Looked;
use super::results::ResultsReader;
use super::{BatchRequest, Batches, answered, results_url};
use crate::service::govern::revocation::revoked;
use crate::service::meter::usage::Ended;
use crate::service::relay::answer::Answered;
use crate::service::relay::ledger::unknown;
use crate::service::relay::route::{ObjectRoute, RelayRoute};
use crate::service::store::database::{ObjectKind, OwnedObject};
use crate::service::token::verify::Caller;
use crate::transport::buffered_body::{BodyLimits, BufferedBody};
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::upstream::UpstreamBody;
use crate::wire::ErrorCode;

impl Batches {
    /// Passes a request about one object on, if its device owns the object.
    pub(super) async fn act(&self, request: BatchRequest<'_>) -> Result<Response<Reply>, Problem> {
        let BatchRequest { route, parts, body, id, at, mut flight, worker } = request;
        let object = self.owned(flight.caller(), route, parts.uri.path()).await?;
        let signal = flight.revoke_signal();
        let limits = BodyLimits { max: MAX_BODY, ..self.stages.body_limits.clone() };
        let read = BufferedBody::take(body, &limits, (), |()| ());
        let (body, ()) = signal.unless(pin!(read)).await.ok_or_else(revoked)??;
        if route == ObjectRoute::DeleteBatch {
            self.bill_first(&object).await?;
        }
        self.open_record(&mut flight, route, &id, at);
        if matches!(route, ObjectRoute::BatchResults | ObjectRoute::FileContent) {
            let response = match signal.unless(pin!(self.calls.open(&worker.upstream, parts, body))).await {
                Some(Ok(response)) => response,
                Some(Err(problem)) => return Err(flight.fail(Ended::Error, problem)),
                None => return Err(flight.fail(Ended::Revoked, revoked())),
            };
            let (relayed, shutdown) = (RelayRoute::Object(route), worker.shutdown.clone());
            let answered = Answered { route: relayed, id: &id, flight, shutdown };
            return self.download(response, answered, self.reader(route, object)).await;
        }
        let mut whole = match signal.unless(Box::pin(self.calls.whole(&worker.upstream, parts, body)).as_mut()).await {
            Some(Ok(whole)) => whole,
            Some(Err(problem)) => return Err(flight.fail(Ended::Error, problem)),
            None => return Err(flight.fail(Ended::Revoked, revoked())),
        };
        match route {
            ObjectRoute::DeleteBatch | ObjectRoute::DeleteFile if whole.status().is_success() => {
                self.ledger.forget(object);
            }
            ObjectRoute::Batch | ObjectRoute::CancelBatch => whole.body = results_url::with_path(whole.body),
            _ => {}
        }
        answered(whole, flight, &id)
    }

    /// Relays the content of an object. `results` reads those of a batch as they pass.
    async fn download(
        &self,
        response: Response<UpstreamBody>,
        answered: Answered<'_>,
        results: Option<ResultsReader>,
    ) -> Result<Response<Reply>, Problem> {
        let answers = &self.stages.answers;
        if answers.needs_whole(&response) {
            return answers.relay_encoded_error(response, answered).await;
        }
        answers.relay_tapped(response, answered, |tap, headers| match results {
            Some(results) => Box::new(results.watching(tap, headers)),
            None => Box::new(tap),
        })
    }

    async fn owned(&self, caller: &Caller, route: ObjectRoute, path: &str) -> Result<OwnedObject, Problem> {
        let (kind, id, device) = (route.kind(), route.id_in(path), caller.device());
        match self.ledger.find(id).await? {
            Some(object) if object.kind == kind && object.device == *device => Ok(object),
            None if kind == ObjectKind::File && self.references.remembers_file(device, id) => {
                Ok(self.just_made(caller, id))
            }
            Some(_) | None => Err(unknown(kind, id)),
        }
    }

    /// A file that an answer has named. It is in the table within a second of the answer's end; until then only the
    /// instance that relays the answer knows it, and nothing waits for it here, where a request costs nothing.
    fn just_made(&self, caller: &Caller, id: &str) -> OwnedObject {
        OwnedObject {
            id: id.to_owned(),
            kind: ObjectKind::File,
            device: caller.device().clone(),
            org: caller.org().map(str::to_owned),
            user: caller.user().map(str::to_owned),
            created_at: self.clock.now(),
            look_at: None,
            missing_since: None,
        }
    }

    /// The reader of a batch's results, until its usage is recorded.
    fn reader(&self, route: ObjectRoute, object: OwnedObject) -> Option<ResultsReader> {
        let wanted = route == ObjectRoute::BatchResults && object.look_at.is_some();
        wanted.then(|| {
            ResultsReader::new(
                object,
                self.stages.budgets.prices.load_full(),
                Arc::clone(&self.stages.sink),
                self.ledger.clone(),
            )
        })
    }

    /// Bills a batch before its deletion: the results go with it.
    async fn bill_first(&self, batch: &OwnedObject) -> Result<(), Problem> {
        if batch.look_at.is_none() {
            return Ok(());
        }
        let (biller, owned) = (Arc::clone(&self.biller), batch.clone());
        match self.ledger.within(BILLING, async move { biller.bill_now(&owned).await }).await {
            Some(Looked::OnRecord) => Ok(()),
            // The upstream would refuse this too, but the batch may end between our look and the deletion.
            Some(Looked::Running) => {
                let message = format!("Message batch {} cannot be deleted while it is in progress", batch.id);
                Err(Problem::new(ErrorCode::RequestInvalid, message))
            }
            Some(Looked::Missing) => Err(unknown(ObjectKind::Batch, &batch.id)),
            Some(Looked::Waits(_) | Looked::Failed(_)) | None => {
                let message = "The usage of this batch is not on record yet; try again in a minute";
                Err(Problem::new(ErrorCode::NotReady, message).retry_after(RETRY_AFTER))
            }
        }
    }
}

/// Bodies have no meaning on these routes.
const MAX_BODY: u64 = 16 * 1024;

/// How long a deletion waits for the billing. The billing goes on after that.
const BILLING: Duration = Duration::from_secs(30);

const RETRY_AFTER: Duration = Duration::from_secs(60);
