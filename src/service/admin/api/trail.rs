//! Writes the audit trail, and a line of the log: one entry for each request that may change something, even when
//! nothing changed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};

use super::actor::{ADMIN, actor};
use super::error::AdminError;
use super::state::AdminState;
use crate::service::store::database::{AuditOutcome, Change, NewAuditEntry, StoreError};

/// The entry of a request in the trail. Handlers find it among the request's extensions.
#[derive(Clone)]
pub(super) struct Attempt {
    entry: Arc<NewAuditEntry>,
    is_kept: Arc<AtomicBool>,
}

/// Runs the handler, writes the entry, and puts the change into force before the answer.
///
/// This runs as a task of its own: an administrator may hang up at any moment, and a dropped future would leave a
/// change or a refusal without an entry.
pub(super) async fn keep(
    State(admin_state): State<AdminState>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return AdminError::TooLong(MOST_BODY).into_response();
    };
    let actor = actor(&parts.headers);
    let attempt = Attempt::new(NewAuditEntry {
        actor: actor.as_deref().unwrap_or(ADMIN).to_owned(),
        source: Some(source.ip()),
        action: parts.method.to_string(),
        target: Some(parts.uri.path().to_owned()),
        detail: detail(&body),
        outcome: AuditOutcome::Done,
    });
    parts.extensions.insert(attempt.clone());
    let request = Request::from_parts(parts, Body::from(body));
    let running = tokio::spawn(async move {
        let response = match actor {
            Ok(_) => next.run(request).await,
            Err(fault) => fault.into_response(),
        };
        let response = attempt.end(&admin_state, response).await;
        attempt.tell(response.status());
        response
    });
    match running.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(response) => response,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime shuts down, and the connection with it.
        Err(Err(_)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

impl Attempt {
    fn new(entry: NewAuditEntry) -> Self {
        Self { entry: Arc::new(entry), is_kept: Arc::default() }
    }

    pub(super) fn actor(&self) -> &str {
        &self.entry.actor
    }

    /// Begins the change. The change and its entry are one transaction.
    pub(super) async fn begin(&self, admin_state: &AdminState) -> Result<Change, StoreError> {
        admin_state.database.change(&self.entry, admin_state.clock.now()).await
    }

    pub(super) async fn commit(&self, change: Change) -> Result<(), StoreError> {
        change.commit().await?;
        self.is_kept.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes the entry of a request that changed nothing in the database; puts a committed change into force.
    async fn end(&self, admin_state: &AdminState, response: Response) -> Response {
        let outcome = outcome(response.status());
        if !self.is_kept.load(Ordering::Relaxed) {
            let entry = NewAuditEntry { outcome, ..self.entry.as_ref().clone() };
            let kept = admin_state.database.audit().insert(&entry, admin_state.clock.now()).await;
            if let Err(error) = &kept {
                lost(&entry, error);
            }
            return match kept {
                // An action without an entry must not succeed: no token leaves the service without an entry.
                Err(error) if outcome == AuditOutcome::Done => AdminError::Store(error).into_response(),
                _ => response,
            };
        }
        match admin_state.sync.catch_up().await {
            Ok(()) => response,
            Err(error) => AdminError::Store(error).into_response(),
        }
    }

    /// Logs who asked for what, and how it ended. The body is in the line only if every field of it was understood: a
    /// misspelt one could hold a token.
    fn tell(&self, status: StatusCode) {
        let NewAuditEntry { actor, source, action, target, detail, .. } = self.entry.as_ref();
        let outcome = if self.is_kept.load(Ordering::Relaxed) { AuditOutcome::Done } else { outcome(status) };
        let source = source.map(tracing::field::display);
        let detail = detail.as_ref().filter(|_| outcome == AuditOutcome::Done);
        let detail = detail.map(|detail| detail.to_string().chars().take(LONGEST_DETAIL).collect::<String>());
        let (path, detail, outcome) = (target.as_deref(), detail.as_deref(), outcome.as_str());
        tracing::info!(actor, source, method = action, path, detail, outcome, "Answered an admin request");
    }
}

/// Logs an entry that the trail lost.
fn lost(entry: &NewAuditEntry, error: &StoreError) {
    let source = entry.source.map(tracing::field::display);
    let (actor, target) = (&entry.actor, entry.target.as_deref());
    let error: &dyn std::error::Error = error;
    tracing::error!(error, actor, source, action = entry.action, target, "An entry of the audit trail is lost");
}

/// The body if it is JSON. Only the inspection of a token takes a secret, and that field is masked.
fn detail(body: &Bytes) -> Option<serde_json::Value> {
    let mut detail: serde_json::Value = serde_json::from_slice(body).ok()?;
    if let Some(token) = detail.get_mut("token") {
        *token = "…".into();
    }
    Some(detail)
}

fn outcome(status: StatusCode) -> AuditOutcome {
    match status {
        status if status.is_success() => AuditOutcome::Done,
        status if status.is_client_error() => AuditOutcome::Refused,
        _ => AuditOutcome::Failed,
    }
}

const MOST_BODY: usize = 64 * 1024;

/// In characters; the trail has the rest.
const LONGEST_DETAIL: usize = 500;
