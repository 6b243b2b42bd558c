//! Creates a batch or a file upstream, and records its owner before the client learns the id.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, Response};

use super::call::{Calls, Whole, follow_up};
use super::models::BatchModels;
use super::{BatchRequest, Batches, Ledger, answered};
use crate::clock::Clock;
use crate::service::govern::revocation::revoked;
use crate::service::meter::usage::{Ended, Recording};
use crate::service::relay::model::ModelRule;
use crate::service::relay::pipeline::{Pipeline, failed, readable};
use crate::service::relay::route::{BATCHES, FILES};
use crate::service::store::database::{ObjectKind, OwnedObject};
use crate::service::token::verify::Caller;
use crate::transport::buffered_body::{BodyLimits, Both, BufferedBody, Inspector, RefusedBodyError};
use crate::transport::cancel_signal::CancelSignal;
use crate::transport::problem::Problem;
use crate::transport::reply::Reply;
use crate::transport::request_id::RequestId;
use crate::transport::upstream::Upstream;
use crate::wire::ErrorCode;

impl Batches {
    /// Sends an upload to the upstream and records the owner of the new object. After an error nothing was created, or
    /// the object was deleted or cancelled again.
    pub(super) async fn create(
        &self,
        batch_request: BatchRequest<'_>,
        pipeline: &Pipeline,
    ) -> Result<Response<Reply>, Problem> {
        let BatchRequest { route, parts, body, id, at, caller, stake, worker } = batch_request;
        let stake = match route.kind() {
            ObjectKind::Batch => pipeline.budgets().admit_batch(stake, &caller)?,
            ObjectKind::File => stake,
        };
        // Without the database the owner could not be recorded, so nothing is created.
        self.ledger.is_there().await?;
        let cancel = stake.cancel_signal();
        let (max, inspector) = match route.kind() {
            ObjectKind::Batch => (self.offer.max_batch, self.batch_inspector(&caller, &parts.headers, &cancel)?),
            ObjectKind::File => (self.offer.max_file, Box::new(CancelCheck(cancel.clone())) as Box<dyn Inspector>),
        };
        let limits = BodyLimits { max, ..pipeline.body_limits.clone() };
        let body =
            cancel.unless(pin!(BufferedBody::take(body, &limits, Some(inspector)))).await.ok_or_else(revoked)??;
        let recording = self.recording(route, &id, &caller, stake, at);
        let creation = Creation {
            kind: route.kind(),
            id,
            parts,
            caller,
            upstream: worker.upstream.clone(),
            ledger: self.ledger.clone(),
            calls: self.calls.clone(),
            clock: Arc::clone(&self.clock),
        };
        // A client may leave after its upload is complete. The owner of the object must be recorded all the same.
        let made = tokio::spawn(creation.run(body, recording)).await;
        made.unwrap_or_else(|_| Err(Problem::new(ErrorCode::Internal, "The service failed while it passed this on")))
    }

    fn batch_inspector(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        cancel: &CancelSignal,
    ) -> Result<Box<dyn Inspector>, Problem> {
        readable(headers)?;
        let (cancelled, files) = (CancelCheck(cancel.clone()), self.files_of(caller.device()));
        if *caller.models() == ModelRule::Any {
            // A token for all models needs no check here.
            return Ok(Box::new(Both::new(cancelled, files)));
        }
        let models = BatchModels::new(caller.models().clone());
        Ok(Box::new(Both::new(cancelled, Both::new(models, files))))
    }
}

/// A creation that runs to its end, whether the client waits or not.
struct Creation {
    kind: ObjectKind,
    id: RequestId,
    parts: Parts,
    caller: Arc<Caller>,
    upstream: Upstream,
    ledger: Ledger,
    calls: Calls,
    clock: Arc<dyn Clock>,
}

impl Creation {
    async fn run(self, body: BufferedBody, recording: Recording) -> Result<Response<Reply>, Problem> {
        let whole = match self.calls.whole(&self.upstream, self.parts.clone(), body).await {
            Ok(whole) => whole,
            Err(problem) => return Err(failed(recording, Ended::Error, problem)),
        };
        if whole.status().is_success()
            && let Err(problem) = self.keep(&whole).await
        {
            return Err(failed(recording, Ended::Error, problem));
        }
        answered(whole, recording, &self.id)
    }

    /// Records the owner. An object whose owner cannot be recorded is taken back.
    async fn keep(&self, whole: &Whole) -> Result<(), Problem> {
        let kind = self.kind.as_str();
        let Some(id) = whole.object_id() else {
            tracing::error!(kind, request_id = %self.id, "The upstream created an object and did not return its id");
            return Err(Problem::new(ErrorCode::UpstreamInvalid, "The upstream does not say what it has made"));
        };
        let now = self.clock.now();
        let object = OwnedObject {
            id: id.clone(),
            kind: self.kind,
            device: self.caller.device().clone(),
            org: self.caller.org().map(str::to_owned),
            user: self.caller.user().map(str::to_owned),
            created_at: now,
            look_at: (self.kind == ObjectKind::Batch).then(|| now + FIRST_LOOK),
            missing_since: None,
        };
        let kept = self.ledger.keep(object).await;
        if kept.is_err() {
            self.take_back(&id).await;
        }
        kept
    }

    /// Best effort: deletes a file, cancels a batch, which cannot be deleted while it runs.
    async fn take_back(&self, id: &str) {
        let (method, target) = match self.kind {
            ObjectKind::Batch => (Method::POST, format!("{BATCHES}/{id}/cancel")),
            ObjectKind::File => (Method::DELETE, format!("{FILES}/{id}")),
        };
        let parts = follow_up(&self.parts, method, &target);
        let (kind, device) = (self.kind.as_str(), self.caller.device());
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

/// Breaks off the upload of a revoked device, before anything is created upstream.
struct CancelCheck(CancelSignal);

impl CancelCheck {
    fn check(&self) -> Result<(), RefusedBodyError> {
        if !self.0.is_cancelled() {
            return Ok(());
        }
        let Problem { code, message, .. } = revoked();
        Err(RefusedBodyError { code, message })
    }
}

impl Inspector for CancelCheck {
    fn piece(&mut self, _: &[u8]) -> Result<(), RefusedBodyError> {
        self.check()
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        Poll::Ready(self.check())
    }
}

/// Most batches end within an hour.
const FIRST_LOOK: Duration = Duration::from_secs(15 * 60);
