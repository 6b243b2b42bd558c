//! Writes the audit trail: one entry for each request that may change something, also when it changed nothing.

use std::net::SocketAddr;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};

use super::desk::Desk;
use super::fault::Fault;
use crate::service::store::{NewAuditEntry, Outcome};

/// Runs the route, keeps who did what, and puts the change into force before it is answered.
pub(super) async fn keep(
    State(desk): State<Desk>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return Fault::TooLong(MOST_BODY).into_response();
    };
    let entry = NewAuditEntry {
        actor: "admin".into(),
        source: Some(source.ip()),
        action: parts.method.to_string(),
        target: Some(parts.uri.path().to_owned()),
        detail: detail(&body),
        outcome: Outcome::Done,
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let outcome = outcome(response.status());
    let kept = desk.database.audit().insert(&NewAuditEntry { outcome, ..entry }, desk.clock.now()).await;
    if outcome != Outcome::Done {
        return response;
    }
    match kept {
        // What is done and cannot be shown to have been done must not pass for done.
        Err(error) => Fault::Store(error).into_response(),
        Ok(_) => match desk.sync.catch_up().await {
            Ok(()) => response,
            Err(error) => Fault::Store(error).into_response(),
        },
    }
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
