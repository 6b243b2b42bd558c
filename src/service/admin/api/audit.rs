//! `/admin/audit`: the trail of changes and of their actors.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::AdminError;
use super::extract::QueryParams;
use super::state::AdminState;
use super::view::{Listed, PageQuery, is_row_id, millis};
use crate::service::store::database::AuditEntry;

/// One change, and its actor.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditView {
    id: String,
    /// The time of the change, in Unix milliseconds.
    at: u64,
    /// `admin`, and after a slash the name that the administrator gave in `x-admin-actor`. Nobody checks that name.
    actor: String,
    /// The address that the change came from.
    source: Option<String>,
    /// The method; `device.end_tokens` and `device.revoke` are what leak detection does.
    action: String,
    /// The path, or the device.
    target: Option<String>,
    /// The body, without tokens.
    detail: Option<serde_json::Value>,
    /// `done`, `refused` or `failed`.
    outcome: &'static str,
}

/// The audit trail, the newest first.
#[utoipa::path(get, path = "/admin/audit", operation_id = "list_audit", params(PageQuery),
    responses((status = 200, description = "A page of the trail", body = Listed<AuditView>), AdminError))]
pub(super) async fn list(
    State(admin_state): State<AdminState>,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Listed<AuditView>>, AdminError> {
    let page = admin_state.database.audit().list(&page.read_if(is_row_id)?).await?;
    Ok(Json(Listed { items: page.items.into_iter().map(view).collect(), next: page.next }))
}

fn view(AuditEntry { id, at, entry }: AuditEntry) -> AuditView {
    AuditView {
        id,
        at: millis(at),
        actor: entry.actor,
        source: entry.source.map(|source| source.to_string()),
        action: entry.action,
        target: entry.target,
        detail: entry.detail,
        outcome: entry.outcome.as_str(),
    }
}
