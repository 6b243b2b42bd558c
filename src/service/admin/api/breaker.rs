//! `/admin/breaker`: the state of the circuits to the upstream.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::error::AdminError;
use super::state::AdminState;

/// The circuits to the upstream.
#[derive(Serialize, ToSchema)]
pub(super) struct BreakerView {
    /// One for each model that has answered, and `other` for the rest.
    #[schema(value_type = Vec<serde_json::Value>)]
    circuits: Vec<crate::service::govern::breaker::CircuitView>,
}

/// For which models the upstream is asked, and how it has done.
#[utoipa::path(get, path = "/admin/breaker", operation_id = "list_circuits",
    responses((status = 200, description = "All circuits", body = BreakerView), AdminError))]
pub(super) async fn list(State(admin_state): State<AdminState>) -> Json<BreakerView> {
    Json(BreakerView { circuits: admin_state.breaker.snapshot(Instant::now()) })
}
