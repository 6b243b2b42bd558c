//! `/admin/revocations`: who is shut out.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ask::{Asked, Named, Said};
use super::desk::Desk;
use super::fault::Fault;
use super::trail::Attempt;
use super::view::{Listed, PageQuery, millis};
use crate::service::store::{NewRevocation, Revocation, RevocationKind};

/// What to shut out: exactly one of the first six, and why.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::service) struct RevocationRequest {
    /// One token.
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
    /// For other administrators.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// Which revocation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RevocationPath {
    /// Its id.
    id: String,
}

/// Something that is shut out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevocationView {
    /// Names this revocation.
    id: String,
    /// `jti`, `device_id`, `user`, `org`, `app_version` or `issued_before`; or `device_tokens`, which leak detection makes.
    kind: &'static str,
    /// Which one.
    value: String,
    reason: Option<String>,
    /// Unix milliseconds.
    created_at: u64,
    /// `admin`, and after a slash the name that the administrator gave.
    created_by: String,
    /// Unix milliseconds; null is never.
    expires_at: Option<u64>,
}

/// Shuts somebody out: here at once, on other instances about a second later, open streams included.
#[utoipa::path(post, path = "/admin/revocations", operation_id = "add_revocation", request_body = RevocationRequest,
    responses((status = 201, description = "It is in force", body = RevocationView), Fault))]
pub(super) async fn add(
    State(desk): State<Desk>,
    Extension(attempt): Extension<Attempt>,
    Said(request): Said<RevocationRequest>,
) -> Result<(StatusCode, Json<RevocationView>), Fault> {
    let (kind, value, reason) = request.read()?;
    if request_is_from_the_future(kind, &value, desk.clock.unix_seconds()) {
        return Err(Fault::Invalid("`issued_before` is not a Unix second of the past".into()));
    }
    // A single token is forgotten when it could not be used any more anyway.
    let expires_at = (kind == RevocationKind::Jti).then(|| desk.last_token_ends());
    let new = NewRevocation { kind, value, reason, created_by: attempt.actor().to_owned(), expires_at };
    let mut change = attempt.begin(&desk).await?;
    let revocation = change.revoke(&new).await?;
    attempt.commit(change).await?;
    Ok((StatusCode::CREATED, Json(view(revocation))))
}

/// Lists who is shut out, the newest first.
#[utoipa::path(get, path = "/admin/revocations", operation_id = "list_revocations", params(PageQuery),
    responses((status = 200, description = "A page of revocations", body = Listed<RevocationView>), Fault))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Listed<RevocationView>>, Fault> {
    let page = desk.database.revocations().list(&page.read()?).await?;
    Ok(Json(Listed { items: page.items.into_iter().map(view).collect(), next: page.next }))
}

/// Lets in again.
#[utoipa::path(delete, path = "/admin/revocations/{id}", operation_id = "delete_revocation", params(RevocationPath),
    responses((status = 204, description = "It is gone"), Fault))]
pub(super) async fn delete(
    State(desk): State<Desk>,
    Named(path): Named<RevocationPath>,
    Extension(attempt): Extension<Attempt>,
) -> Result<StatusCode, Fault> {
    let mut change = attempt.begin(&desk).await?;
    if !change.let_in(&path.id).await? {
        return Err(Fault::Unknown("revocation"));
    }
    attempt.commit(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl RevocationRequest {
    fn read(self) -> Result<(RevocationKind, String, Option<String>), Fault> {
        let second = self.issued_before.map(|second| second.to_string());
        let named = [
            (RevocationKind::Jti, self.jti),
            (RevocationKind::DeviceId, self.device_id),
            (RevocationKind::User, self.user),
            (RevocationKind::Org, self.org),
            (RevocationKind::AppVersion, self.app_version),
            (RevocationKind::IssuedBefore, second),
        ];
        let mut named = named.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
        let choices = "`jti`, `device_id`, `user`, `org`, `app_version` and `issued_before`";
        let (Some((kind, value)), None) = (named.next(), named.next()) else {
            return Err(Fault::Invalid(format!("Exactly one of {choices} must be given")));
        };
        let is_long = |text: &str, most: usize| text.chars().count() > most;
        if value.is_empty() || is_long(&value, 200) || self.reason.as_ref().is_some_and(|reason| is_long(reason, 1000))
        {
            return Err(Fault::Invalid("A value has 1 to 200 characters and a reason at most 1000".into()));
        }
        if kind == RevocationKind::DeviceId {
            super::devices::device_id(&value)?;
        }
        Ok((kind, value, self.reason))
    }
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

/// Such a one would cover every token that is issued until then.
fn request_is_from_the_future(kind: RevocationKind, value: &str, now: u64) -> bool {
    kind == RevocationKind::IssuedBefore && value.parse::<u64>().is_ok_and(|second| second > now)
}
