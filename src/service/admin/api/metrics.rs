//! `/metrics`: the page of all parts for Prometheus.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::state::AdminState;
use crate::service::telemetry::metrics::MEDIA_TYPE;

/// Needs no token; the page shows nothing of single devices.
pub(super) async fn page(State(admin_state): State<AdminState>) -> Response {
    ([(CONTENT_TYPE, MEDIA_TYPE)], admin_state.metrics.text()).into_response()
}
