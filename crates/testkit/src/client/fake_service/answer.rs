//! The answer of the fake service to one call.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use tokio::sync::Notify;
use valetkey::wire::{ErrorBody, ErrorCode};

use crate::client::fake_service::body::{Body, Guard};
use crate::client::fake_service::{Seen, State};

/// One answer, built from a constructor and modifiers.
#[derive(Clone)]
pub struct Say {
    what: What,
    headers: Vec<(String, String)>,
    gate: Option<Arc<Notify>>,
    early: bool,
}

#[derive(Clone)]
enum What {
    Token,
    Bytes(u16, Bytes),
    /// Pieces; then silence until the caller leaves, or, if true, a broken connection.
    Stream(Vec<Bytes>, bool),
    Hang,
    Cut,
}

impl Say {
    pub fn token() -> Self {
        Self::of(What::Token)
    }

    pub fn json(status: u16, body: &str) -> Self {
        Self::bytes(status, body.as_bytes().to_vec()).header("content-type", "application/json")
    }

    pub fn bytes(status: u16, body: impl Into<Bytes>) -> Self {
        Self::of(What::Bytes(status, body.into()))
    }

    /// The login page of a captive portal.
    pub fn html() -> Self {
        Self::bytes(200, "<html>Welcome to the Hotel</html>").header("content-type", "text/html")
    }

    pub fn redirect(to: &str) -> Self {
        Self::bytes(302, "").header("location", to)
    }

    /// One of valetkey's own errors, as the service writes it.
    pub fn error(code: &str) -> Self {
        let known = ErrorCode::parse(code);
        let (status, ..) = known.answer();
        let body = ErrorBody::new(known, format!("the service says {code}"), Some("req_fake".into()));
        let body = serde_json::to_string(&body).unwrap();
        Self::json(status, &body)
            .header("x-valetkey-error", code)
            .header("request-id", "req_fake")
            .header("x-should-retry", "false")
    }

    pub fn hang() -> Self {
        Self::of(What::Hang)
    }

    /// Breaks the connection in place of an answer.
    pub fn cut() -> Self {
        Self::of(What::Cut)
    }

    /// These pieces, and then silence until the caller leaves.
    pub fn open_stream(pieces: &[&str]) -> Self {
        Self::of(What::Stream(pieces.iter().map(|piece| Bytes::from(piece.to_string())).collect(), false))
            .header("content-type", "text/event-stream")
    }

    /// These pieces, and then a broken connection.
    pub fn cut_stream(pieces: &[&str]) -> Self {
        Self::of(What::Stream(pieces.iter().map(|piece| Bytes::from(piece.to_string())).collect(), true))
            .header("content-type", "text/event-stream")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers only when `gate` is notified.
    pub fn after(mut self, gate: &Arc<Notify>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }

    /// Answers without reading the request's body.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    pub(crate) fn is_early(&self) -> bool {
        self.early
    }

    fn of(what: What) -> Self {
        Self { what, headers: Vec::new(), gate: None, early: false }
    }

    /// The response, or `None` to break the connection.
    pub(crate) async fn perform(self, seen: &Seen, state: &Arc<State>) -> Option<Response<Body>> {
        let mut waiting = Guard(Some(Arc::clone(state)));
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let (status, body) = match self.what {
            What::Token => (200, Body::whole(issue(seen, state).into())),
            What::Bytes(status, bytes) => (status, Body::whole(bytes)),
            What::Stream(pieces, cut) => (200, Body::stream(pieces, cut, state)),
            What::Hang => std::future::pending().await,
            What::Cut => return None,
        };
        waiting.0 = None;
        let mut response = Response::new(body);
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        Some(response)
    }
}

/// A token answer for the device that asks; for a refresh the device is the last one that bootstrapped.
fn issue(seen: &Seen, state: &State) -> String {
    let mut inner = state.lock();
    let asked: Option<serde_json::Value> = serde_json::from_slice(&seen.body).ok();
    if let Some(device) = asked.as_ref().and_then(|body| body["device_id"].as_str()) {
        inner.device = device.to_owned();
    }
    inner.issued += 1;
    serde_json::json!({
        "token": format!("canary-wrapper-{}", inner.issued),
        "token_type": "Bearer",
        "expires_in": inner.expires_in,
        "expires_at": 4_000_000_000_u64,
        "refresh_in": inner.refresh_in,
        "base_url": inner.base_url,
        "regions": inner.regions,
        "device_id": inner.device,
        "models": [],
    })
    .to_string()
}
