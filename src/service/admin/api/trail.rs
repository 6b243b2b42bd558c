//! Writes the audit trail: one entry for each request that may change something, also when it changed nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};

use super::actor::{ADMIN, actor};
use super::desk::Desk;
use super::fault::Fault;
use crate::service::store::database::{Change, NewAuditEntry, Outcome, StoreError};

/// What a request tries, and the entry that it leaves. Routes find it among the request's extensions.
#[derive(Clone)]
pub(super) struct Attempt {
    entry: Arc<NewAuditEntry>,
    is_kept: Arc<AtomicBool>,
}

/// Runs the route, keeps who did what, and puts the change into force before it is answered.
///
/// Once the request is here, this goes on by itself: whoever asked may hang up at any moment, and then nobody would poll
/// it any more, so that what was done would not be on record, nor what was refused.
pub(super) async fn keep(
    State(desk): State<Desk>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return Fault::TooLong(MOST_BODY).into_response();
    };
    let actor = actor(&parts.headers);
    let attempt = Attempt::new(NewAuditEntry {
        actor: actor.as_deref().unwrap_or(ADMIN).to_owned(),
        source: Some(source.ip()),
        action: parts.method.to_string(),
        target: Some(parts.uri.path().to_owned()),
        detail: detail(&body),
        outcome: Outcome::Done,
    });
    parts.extensions.insert(attempt.clone());
    let request = Request::from_parts(parts, Body::from(body));
    let running = tokio::spawn(async move {
        let response = match actor {
            Ok(_) => next.run(request).await,
            Err(fault) => fault.into_response(),
        };
        attempt.end(&desk, response).await
    });
    match running.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(response) => response,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and with it the connection.
        Err(Err(_)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

impl Attempt {
    fn new(entry: NewAuditEntry) -> Self {
        Self { entry: Arc::new(entry), is_kept: Arc::default() }
    }

    /// Who tries.
    pub(super) fn actor(&self) -> &str {
        &self.entry.actor
    }

    /// Begins the change; it and its entry are made in one.
    ///
    /// # Errors
    /// [`StoreError`]
    pub(super) async fn begin(&self, desk: &Desk) -> Result<Change, StoreError> {
        desk.database.change(&self.entry, desk.clock.now()).await
    }

    /// Makes the change.
    ///
    /// # Errors
    /// [`StoreError`]
    pub(super) async fn commit(&self, change: Change) -> Result<(), StoreError> {
        change.commit().await?;
        self.is_kept.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Keeps the entry of what changed nothing in the database, and puts what did into force.
    async fn end(&self, desk: &Desk, response: Response) -> Response {
        let outcome = outcome(response.status());
        if !self.is_kept.load(Ordering::Relaxed) {
            let entry = NewAuditEntry { outcome, ..self.entry.as_ref().clone() };
            let kept = desk.database.audit().insert(&entry, desk.clock.now()).await;
            if let Err(error) = &kept {
                lost(&entry, error);
            }
            return match kept {
                // What cannot be shown to have been done must not pass for done: no token leaves without an entry.
                Err(error) if outcome == Outcome::Done => Fault::Store(error).into_response(),
                _ => response,
            };
        }
        match desk.sync.catch_up().await {
            Ok(()) => response,
            Err(error) => Fault::Store(error).into_response(),
        }
    }
}

/// Says in the log what the trail does not have.
fn lost(entry: &NewAuditEntry, error: &StoreError) {
    let source = entry.source.map(tracing::field::display);
    let (actor, target) = (&entry.actor, entry.target.as_deref());
    let error: &dyn std::error::Error = error;
    tracing::error!(error, actor, source, action = entry.action, target, "An entry of the audit trail is lost");
}

/// The body if it is JSON. No route takes a secret but the inspection of a token, which is left out.
fn detail(body: &Bytes) -> Option<serde_json::Value> {
    let mut detail: serde_json::Value = serde_json::from_slice(body).ok()?;
    if let Some(token) = detail.get_mut("token") {
        *token = "…".into();
    }
    Some(detail)
}

fn outcome(status: StatusCode) -> Outcome {
    match status {
        status if status.is_success() => Outcome::Done,
        status if status.is_client_error() => Outcome::Refused,
        _ => Outcome::Failed,
    }
}

const MOST_BODY: usize = 64 * 1024;
