//! Creates a batch or a file upstream, and records its owner before the client learns the id, in a task that a client
//! cannot end by leaving. An object whose owner cannot be recorded is taken back.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, Response};

use super::call::{Calls, Whole, follow_up};
use super::request_check::RequestCheck;
use super::upload::UploadReader;
use super::{BatchRequest, Batches, answered};
use crate::clock::Clock;
use crate::service::govern::revocation::revoked;
use crate::service::meter::usage::{Ended, Reference, ReferenceKind};
use crate::service::relay::feature_check::FeatureCheck;
use crate::service::relay::in_flight::InFlight;
use crate::service::relay::ledger::Ledger;
use crate::service::relay::ownership_check::{Owner, OwnershipCheck};
use crate::service::relay::pipeline::readable;
use crate::service::relay::references::References;
use crate::service::relay::route::{BATCHES, FILES};
use crate::service::store::database::{ObjectKind, OwnedObject};
use crate::service::token::models::ModelRule;
use crate::service::token::verify::Caller;
use crate::transport::buffered_body::{BodyLimits, BufferedBody};
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::transport::revoke_signal::RevokeSignal;
use crate::transport::upstream::Upstream;
use crate::wire::{DeviceId, ErrorCode};

impl Batches {
    /// Sends an upload to the upstream and records the owner of the new object. After an error nothing was created, or
    /// the object was deleted or cancelled again.
    pub(super) async fn create(&self, request: BatchRequest<'_>) -> Result<Response<Reply>, Problem> {
        let BatchRequest { route, parts, body, id, at, flight, worker } = request;
        let mut flight = match route.kind() {
            ObjectKind::Batch => self.stages.budgets.admit_batch(flight)?,
            ObjectKind::File => flight,
        };
        // Without the database the owner could not be recorded, so nothing is created.
        self.ledger.is_there().await?;
        let signal = flight.revoke_signal();
        let (max, reader) = match route.kind() {
            ObjectKind::Batch => (self.offer.max_batch, self.batch_reader(&flight, &parts.headers, &signal)?),
            ObjectKind::File => (self.offer.max_file, UploadReader::of_file(signal.clone())),
        };
        let limits = BodyLimits { max, ..self.stages.body_limits.clone() };
        let read = BufferedBody::take(body, &limits, reader, |_| ());
        let (body, ()) = signal.unless(pin!(read)).await.ok_or_else(revoked)??;
        self.open_record(&mut flight, route, &id, at);
        let creation = Creation {
            kind: route.kind(),
            id,
            parts,
            upstream: worker.upstream.clone(),
            ledger: self.ledger.clone(),
            references: self.references.clone(),
            calls: self.calls.clone(),
            clock: Arc::clone(&self.clock),
        };
        // A client may leave after its upload is complete. The owner of the object must be recorded all the same.
        let made = tokio::spawn(creation.run(body, flight)).await;
        made.unwrap_or_else(|_| Err(Problem::new(ErrorCode::Internal, "The service failed while it passed this on")))
    }

    fn batch_reader(
        &self,
        flight: &InFlight,
        headers: &HeaderMap,
        signal: &RevokeSignal,
    ) -> Result<UploadReader, Problem> {
        readable(headers)?;
        let caller = flight.caller();
        let owner = Owner { caller: Arc::clone(caller), references: self.references.clone(), waits: false };
        let ownership = OwnershipCheck::of_batch(owner);
        let features = FeatureCheck::new(flight.features().cloned(), false);
        let is_restricted = *caller.models() != ModelRule::Any || features.is_limited();
        let requests = is_restricted.then(|| RequestCheck::new(caller.models().clone(), features));
        Ok(UploadReader::of_batch(signal.clone(), requests, ownership))
    }
}

/// A creation that runs to its end, whether the client waits or not.
struct Creation {
    kind: ObjectKind,
    id: RequestId,
    parts: Parts,
    upstream: Upstream,
    ledger: Ledger,
    references: References,
    calls: Calls,
    clock: Arc<dyn Clock>,
}

impl Creation {
    async fn run(self, body: BufferedBody, flight: InFlight) -> Result<Response<Reply>, Problem> {
        let whole = match self.calls.whole(&self.upstream, self.parts.clone(), body).await {
            Ok(whole) => whole,
            Err(problem) => return Err(flight.fail(Ended::Error, problem)),
        };
        if whole.status().is_success()
            && let Err(problem) = self.keep(&whole, flight.caller()).await
        {
            return Err(flight.fail(Ended::Error, problem));
        }
        answered(whole, flight, &self.id)
    }

    /// Records the owner. An object whose owner cannot be recorded is taken back.
    async fn keep(&self, whole: &Whole, caller: &Caller) -> Result<(), Problem> {
        let kind = self.kind.as_str();
        let Some(id) = whole.object_id() else {
            tracing::error!(kind, request_id = %self.id, "The upstream created an object and did not return its id");
            return Err(Problem::new(ErrorCode::UpstreamInvalid, "The upstream does not say what it has made"));
        };
        let now = self.clock.now();
        let object = OwnedObject {
            id: id.clone(),
            kind: self.kind,
            device: caller.device().clone(),
            org: caller.org().map(str::to_owned),
            user: caller.user().map(str::to_owned),
            created_at: now,
            look_at: (self.kind == ObjectKind::Batch).then(|| now + FIRST_LOOK),
            missing_since: None,
        };
        let kept = self.ledger.keep(object).await;
        if kept.is_err() {
            self.take_back(&id, caller.device()).await;
        } else if self.kind == ObjectKind::File {
            // What an answer to another device says of the file changes nothing then.
            let file = Reference { kind: ReferenceKind::File, id: id.into(), tokens: None };
            self.references.remember(caller.device(), &[file]);
        }
        kept
    }

    /// Best effort: deletes a file, cancels a batch, which cannot be deleted while it runs.
    async fn take_back(&self, id: &str, device: &DeviceId) {
        let (method, target) = match self.kind {
            ObjectKind::Batch => (Method::POST, format!("{BATCHES}/{id}/cancel")),
            ObjectKind::File => (Method::DELETE, format!("{FILES}/{id}")),
        };
        let parts = follow_up(&self.parts, method, &target);
        let kind = self.kind.as_str();
        match self.calls.whole(&self.upstream, parts, BufferedBody::default()).await {
            Ok(whole) if whole.status().is_success() => {
                tracing::error!(id, kind, %device, "Could not keep whose {id} is, and took it back");
            }
            Ok(_) | Err(_) => {
                tracing::error!(id, kind, %device, "Could not keep whose {id} is, nor take it back: nobody has it");
            }
        }
    }
}

/// Most batches end within an hour.
const FIRST_LOOK: Duration = Duration::from_secs(15 * 60);
