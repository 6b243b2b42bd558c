//! `/admin/devices`: the devices, and the overrides of their models, features, limits and budgets.

mod change;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::change::state;
pub(crate) use self::change::{DeviceChange, LimitsView};
use super::error::AdminError;
use super::extract::{JsonBody, PathParams, QueryPair};
use super::state::AdminState;
use super::trail::Attempt;
use super::view::{Listed, PageQuery, millis};
use crate::clock;
use crate::service::govern::budgets::Limits;
use crate::service::govern::features::FeaturePolicy;
use crate::service::store::database::{Device, DeviceFilter, PatchedDevice};
use crate::wire::DeviceId;

/// A device, with what an administrator has set for it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceView {
    /// The id of the device.
    device_id: String,
    /// The time of the first request, in Unix milliseconds; null before it.
    first_seen: Option<u64>,
    /// The time of the last request, in Unix milliseconds; null before the first.
    last_seen: Option<u64>,
    org: Option<String>,
    user: Option<String>,
    /// The models it may ask for; null is the service's default, empty means all.
    models: Option<Vec<String>>,
    limits: LimitsView,
    /// The features that go over the service's defaults, field by field; null is the defaults.
    features: Option<FeaturePolicy>,
    /// The device's budget; null is the service's default. How much of it is spent is in `/admin/budgets`.
    budget: Option<Limits>,
    /// The thumbprint (RFC 7638) of the key that it must prove to get tokens; null is none.
    key: Option<String>,
    /// `revoked` while there is a revocation of the device itself, else `active`. A revocation of its user, of its
    /// organisation or the like does not show here.
    state: &'static str,
}

/// The device of a route.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DevicePath {
    /// The id of the device.
    #[param(min_length = 8, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*[a-z0-9]$")]
    device_id: String,
}

/// Which devices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceQuery {
    /// The beginning of an id, an organisation or a user.
    search: Option<String>,
    /// The state of the devices: `active` or `revoked`.
    #[param(pattern = "^(active|revoked)$")]
    state: Option<String>,
}

/// Lists devices, by id.
#[utoipa::path(get, path = "/admin/devices", operation_id = "list_devices", params(DeviceQuery, PageQuery),
    responses((status = 200, description = "A page of devices", body = Listed<DeviceView>), AdminError))]
pub(super) async fn list(
    State(admin_state): State<AdminState>,
    QueryPair(query, page): QueryPair<DeviceQuery, PageQuery>,
) -> Result<Json<Listed<DeviceView>>, AdminError> {
    let filter = DeviceFilter { prefix: query.search, state: query.state.as_deref().map(state).transpose()? };
    let page = page.read_if(|cursor| DeviceId::parse(cursor).is_ok())?;
    let page = admin_state.database.devices().list(&filter, &page, admin_state.clock.now()).await?;
    Ok(Json(Listed { items: page.items.into_iter().map(view).collect(), next: page.next }))
}

/// Shows one device.
#[utoipa::path(get, path = "/admin/devices/{device_id}", operation_id = "get_device", params(DevicePath),
    responses((status = 200, description = "The device", body = DeviceView), AdminError))]
pub(super) async fn get(
    State(admin_state): State<AdminState>,
    PathParams(path): PathParams<DevicePath>,
) -> Result<Json<DeviceView>, AdminError> {
    let device = admin_state.database.devices().get(&device_id(&path.device_id)?, admin_state.clock.now()).await?;
    device.map(view).map(Json).ok_or(UNKNOWN)
}

/// Changes what a device may do, at once and on every instance within seconds. A device that the service has not seen yet
/// is added, and the change waits for it; then the answer is a 201. Its `state` is whether there is a revocation of the
/// device, so this route and `/admin/revocations` always agree.
#[utoipa::path(patch, path = "/admin/devices/{device_id}", operation_id = "change_device", params(DevicePath),
    request_body = DeviceChange,
    responses((status = 200, description = "The device as it is now", body = DeviceView),
        (status = 201, description = "The device is new", body = DeviceView), AdminError))]
pub(super) async fn change(
    State(admin_state): State<AdminState>,
    PathParams(path): PathParams<DevicePath>,
    Extension(attempt): Extension<Attempt>,
    JsonBody(said): JsonBody<DeviceChange>,
) -> Result<(StatusCode, Json<DeviceView>), AdminError> {
    let id = device_id(&path.device_id)?;
    let said = said.read()?;
    let mut change = attempt.begin(&admin_state).await?;
    let PatchedDevice { device, is_new } = change.patch_device(&id, &said).await?;
    attempt.commit(change).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view(device))))
}

/// Forgets a device and its overrides, and ends its tokens and open streams; its usage stays on record. A revocation shuts
/// the device out until none of its tokens could be used any more; after that the device may come back as a new one, if
/// `BOOTSTRAP_MODE` lets it. To let the device in earlier, delete the revocation; to shut it out for good, revoke it instead.
/// The usage of its last requests is recorded a moment later and lists the device again, as revoked.
#[utoipa::path(delete, path = "/admin/devices/{device_id}", operation_id = "delete_device", params(DevicePath),
    responses((status = 204, description = "It is forgotten"), AdminError))]
pub(super) async fn delete(
    State(admin_state): State<AdminState>,
    PathParams(path): PathParams<DevicePath>,
    Extension(attempt): Extension<Attempt>,
) -> Result<StatusCode, AdminError> {
    let id = device_id(&path.device_id)?;
    let mut change = attempt.begin(&admin_state).await?;
    if !change.delete_device(&id, admin_state.last_token_ends()).await? {
        return Err(UNKNOWN);
    }
    attempt.commit(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(device: Device) -> DeviceView {
    let window = device.limits.window.map(clock::millis);
    DeviceView {
        device_id: device.id.to_string(),
        first_seen: device.first_seen.map(millis),
        last_seen: device.last_seen.map(millis),
        org: device.org,
        user: device.user,
        models: device.models,
        limits: LimitsView {
            requests: device.limits.requests,
            window_ms: window,
            tokens_per_minute: device.limits.tokens_per_minute,
            concurrent: device.limits.concurrent,
        },
        features: device.features,
        budget: device.budget,
        key: device.key,
        state: device.state.as_str(),
    }
}

pub(super) fn device_id(text: &str) -> Result<DeviceId, AdminError> {
    DeviceId::parse(text).map_err(|error| AdminError::Invalid(format!("The device id {error}")))
}

const UNKNOWN: AdminError = AdminError::Unknown("device");
