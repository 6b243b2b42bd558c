//! `/admin/tokens`: mints tokens for devices, and inspects tokens.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::AdminError;
use super::extract::JsonBody;
use super::state::AdminState;
use crate::secret::Secret;
use crate::wire::Claims;

/// The device that a token is made for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MintRequest {
    #[schema(min_length = 8, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*[a-z0-9]$")]
    pub device_id: String,
    /// The token's lifetime in seconds; at most, and by default, that of all tokens.
    #[schema(minimum = 1)]
    pub ttl_seconds: Option<u64>,
}

/// A new token. It is shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct MintedToken {
    /// The token: a JWT, without a prefix.
    token: String,
    /// The id that the token is revoked by.
    jti: String,
    device_id: String,
    /// The time at which the token expires, in Unix seconds.
    expires_at: u64,
}

/// A token to look into.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InspectRequest {
    /// The token, with or without its prefix.
    #[schema(value_type = String)]
    token: Secret,
}

/// The claims of a token, and whether it is good.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InspectedToken {
    /// Whether the token would be admitted now.
    is_good: bool,
    /// Why the token is not good: an error code such as `token_expired`.
    fault: Option<&'static str>,
    /// The claims of the token, if it is genuine.
    #[schema(value_type = Option<serde_json::Value>)]
    claims: Option<Claims>,
}

/// Makes a token for a device, with the overrides in force; a revoked device gets none.
#[utoipa::path(post, path = "/admin/tokens", operation_id = "mint_token", request_body = MintRequest,
    responses((status = 201, description = "The token, shown once", body = MintedToken), AdminError))]
pub(super) async fn mint(
    State(admin_state): State<AdminState>,
    JsonBody(request): JsonBody<MintRequest>,
) -> Result<(StatusCode, Json<MintedToken>), AdminError> {
    let device = super::devices::device_id(&request.device_id)?;
    let life = request.ttl_seconds.map_or(admin_state.token_life, Duration::from_secs);
    if life.is_zero() || life > admin_state.token_life {
        let most = admin_state.token_life.as_secs();
        return Err(AdminError::Invalid(format!("`ttl_seconds` is not a number from 1 to {most}")));
    }
    let (claims, token) =
        admin_state.issuer.mint(device, life).map_err(|problem| AdminError::Conflict(problem.message))?;
    let minted = MintedToken {
        token: token.expose().to_owned(),
        jti: claims.jti,
        device_id: claims.sub.to_string(),
        expires_at: claims.exp,
    };
    Ok((StatusCode::CREATED, Json(minted)))
}

/// Shows the claims of a token, and whether it is good.
#[utoipa::path(post, path = "/admin/tokens/inspect", operation_id = "inspect_token", request_body = InspectRequest,
    responses((status = 200, description = "What it is worth", body = InspectedToken), AdminError))]
pub(super) async fn inspect(
    State(admin_state): State<AdminState>,
    JsonBody(request): JsonBody<InspectRequest>,
) -> Result<Json<InspectedToken>, AdminError> {
    let (claims, verdict) = admin_state.auth.inspect(request.token.expose());
    let verdict = match &claims {
        Some(claims) => verdict.and_then(|()| admin_state.access.revocations.judge(claims)),
        None => verdict,
    };
    let fault = verdict.err().map(|problem| problem.code.as_str());
    Ok(Json(InspectedToken { is_good: fault.is_none(), fault, claims }))
}
