//! `/admin/revocations`: revoked tokens, devices, users, organisations and app versions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::AdminError;
use super::extract::{JsonBody, PathParams, QueryParams};
use super::state::AdminState;
use super::trail::Attempt;
use super::view::{LATEST_MILLIS, Listed, PageQuery, is_row_id, millis};
use crate::service::store::database::{NewRevocation, Revocation, RevocationKind};

/// What to shut out (exactly one of the first seven fields), why, and for how long. The values of the list are accepted
/// too.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RevocationRequest {
    /// One token, by its `jti`.
    #[schema(min_length = 1, max_length = 200)]
    pub jti: Option<String>,
    /// A device: its tokens, and it gets no new one. Its `state` is `revoked` from then on.
    #[schema(min_length = 8, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*[a-z0-9]$")]
    pub device_id: Option<String>,
    /// All devices of a user.
    #[schema(min_length = 1, max_length = 200)]
    pub user: Option<String>,
    /// All devices of an organisation.
    #[schema(min_length = 1, max_length = 200)]
    pub org: Option<String>,
    /// All devices with this version of the app.
    #[schema(min_length = 1, max_length = 200)]
    pub app_version: Option<String>,
    /// All tokens issued before this Unix second, which must have come; devices can get new ones.
    pub issued_before: Option<u64>,
    /// A device's tokens issued before a Unix second, which must have come, as `<device>@<second>`; it can get a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200, pattern = "^[a-z0-9][a-z0-9._-]*[a-z0-9]@[0-9]{1,15}$")]
    pub device_tokens: Option<String>,
    /// The reason, for other administrators to read.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
    /// When it ends, in Unix milliseconds to come; null is never, or of `jti` and `device_tokens`, when the tokens could not
    /// be used any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// The revocation of a route.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RevocationPath {
    /// The id of the revocation.
    id: String,
}

/// A revocation in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevocationView {
    /// The id of the revocation.
    id: String,
    /// `jti`, `device_id`, `user`, `org`, `app_version`, `issued_before` or `device_tokens`, which leak detection makes.
    kind: &'static str,
    /// The token, device, user, organisation, version or time that is shut out.
    value: String,
    reason: Option<String>,
    /// The time of the revocation, in Unix milliseconds.
    created_at: u64,
    /// `admin`, and after a slash the name that the administrator gave.
    created_by: String,
    /// The time at which the revocation ends, in Unix milliseconds; null is never.
    expires_at: Option<u64>,
}

/// Revokes a token, a device, a user, an organisation or an app version: on this instance at once, on others about a second
/// later, open streams included.
#[utoipa::path(post, path = "/admin/revocations", operation_id = "add_revocation", request_body = RevocationRequest,
    responses((status = 201, description = "It is in force", body = RevocationView), AdminError))]
pub(super) async fn add(
    State(admin_state): State<AdminState>,
    Extension(attempt): Extension<Attempt>,
    JsonBody(request): JsonBody<RevocationRequest>,
) -> Result<(StatusCode, Json<RevocationView>), AdminError> {
    let mut new = request.read(attempt.actor(), admin_state.clock.now())?;
    if is_from_the_future(&new, admin_state.clock.unix_seconds()) {
        return Err(AdminError::Invalid(format!("`{}` is not a Unix second of the past", new.kind.as_str())));
    }
    // A revocation of named tokens is dropped when those tokens have expired anyway.
    if matches!(new.kind, RevocationKind::Jti | RevocationKind::DeviceTokens) {
        new.expires_at.get_or_insert_with(|| admin_state.last_token_ends());
    }
    let mut change = attempt.begin(&admin_state).await?;
    let revocation = change.revoke(&new).await?;
    attempt.commit(change).await?;
    Ok((StatusCode::CREATED, Json(view(revocation))))
}

/// Lists the revocations, the newest first.
#[utoipa::path(get, path = "/admin/revocations", operation_id = "list_revocations", params(PageQuery),
    responses((status = 200, description = "A page of revocations", body = Listed<RevocationView>), AdminError))]
pub(super) async fn list(
    State(admin_state): State<AdminState>,
    QueryParams(page): QueryParams<PageQuery>,
) -> Result<Json<Listed<RevocationView>>, AdminError> {
    let page = admin_state.database.revocations().list(&page.read_if(is_row_id)?).await?;
    Ok(Json(Listed { items: page.items.into_iter().map(view).collect(), next: page.next }))
}

/// Deletes a revocation: lets in again what it shut out.
#[utoipa::path(delete, path = "/admin/revocations/{id}", operation_id = "delete_revocation", params(RevocationPath),
    responses((status = 204, description = "It is gone"), AdminError))]
pub(super) async fn delete(
    State(admin_state): State<AdminState>,
    PathParams(path): PathParams<RevocationPath>,
    Extension(attempt): Extension<Attempt>,
) -> Result<StatusCode, AdminError> {
    let mut change = attempt.begin(&admin_state).await?;
    if !change.let_in(&path.id).await? {
        return Err(AdminError::Unknown("revocation"));
    }
    attempt.commit(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl RevocationRequest {
    fn read(self, actor: &str, now: SystemTime) -> Result<NewRevocation, AdminError> {
        let second = self.issued_before.map(|second| second.to_string());
        let named = [
            (RevocationKind::Jti, self.jti),
            (RevocationKind::DeviceId, self.device_id),
            (RevocationKind::User, self.user),
            (RevocationKind::Org, self.org),
            (RevocationKind::AppVersion, self.app_version),
            (RevocationKind::IssuedBefore, second),
            (RevocationKind::DeviceTokens, self.device_tokens),
        ];
        let mut named = named.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
        let choices = "`jti`, `device_id`, `user`, `org`, `app_version`, `issued_before` and `device_tokens`";
        let (Some((kind, value)), None) = (named.next(), named.next()) else {
            return Err(AdminError::Invalid(format!("Exactly one of {choices} must be given")));
        };
        let is_long = |text: &str, most: usize| text.chars().count() > most;
        if value.is_empty() || is_long(&value, 200) || self.reason.as_ref().is_some_and(|reason| is_long(reason, 1000))
        {
            return Err(AdminError::Invalid("A value has 1 to 200 characters and a reason at most 1000".into()));
        }
        match kind {
            RevocationKind::DeviceId => drop(super::devices::device_id(&value)?),
            RevocationKind::DeviceTokens => check_device_tokens(&value)?,
            _ => {}
        }
        let expires_at = self.expires_at.map(|end| to_come(end, now)).transpose()?;
        Ok(NewRevocation { kind, value, reason: self.reason, created_by: actor.to_owned(), expires_at })
    }
}

/// Accepts only `<device>@<second>` in the one spelling that the list shows.
fn check_device_tokens(value: &str) -> Result<(), AdminError> {
    let shape =
        || AdminError::Invalid("`device_tokens` is not a device and a Unix second, as <device>@<second>".into());
    let (device, second) = value.split_once('@').ok_or_else(shape)?;
    super::devices::device_id(device)?;
    second.parse::<u64>().ok().filter(|number| number.to_string() == second).map(drop).ok_or_else(shape)
}

fn to_come(end: u64, now: SystemTime) -> Result<SystemTime, AdminError> {
    let end = Some(end).filter(|end| *end < LATEST_MILLIS).map(|end| UNIX_EPOCH + Duration::from_millis(end));
    let fault = || AdminError::Invalid("`expires_at` is not a Unix millisecond to come".into());
    end.filter(|end| *end > now).ok_or_else(fault)
}

fn view(revocation: Revocation) -> RevocationView {
    RevocationView {
        id: revocation.id,
        kind: revocation.kind.as_str(),
        value: revocation.value,
        reason: revocation.reason,
        created_at: millis(revocation.created_at),
        created_by: revocation.created_by,
        expires_at: revocation.expires_at.map(millis),
    }
}

/// A revocation with a future second would cover every token that is issued until then.
fn is_from_the_future(new: &NewRevocation, now: u64) -> bool {
    let second = match new.kind {
        RevocationKind::IssuedBefore => new.value.as_str(),
        RevocationKind::DeviceTokens => new.value.split_once('@').map_or("", |(_, second)| second),
        _ => return false,
    };
    second.parse::<u64>().is_ok_and(|second| second > now)
}
