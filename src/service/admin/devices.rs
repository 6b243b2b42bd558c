//! `/admin/devices`: who uses the service, and what each may do.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ask::{Asked, Named};
use super::desk::Desk;
use super::fault::Fault;
use super::view::{Listed, PageQuery, millis};
use crate::service::store::{Device, DeviceFilter, DevicePatch, DeviceState, NewRevocation, RevocationKind};
use crate::wire::DeviceId;

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceView {
    /// Its id.
    device_id: String,
    /// Unix milliseconds.
    first_seen: u64,
    /// Unix milliseconds.
    last_seen: u64,
    org: Option<String>,
    user: Option<String>,
    /// The models it may ask for; null is the service's default, empty means all.
    models: Option<Vec<String>>,
    limits: LimitsView,
    budget: Option<serde_json::Value>,
    /// `active` or `revoked`.
    state: &'static str,
}

/// Limits; null is the service's default, 0 is no limit.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsView {
    /// Requests in any window.
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_u64)]
    requests: Option<u32>,
    /// The window, in ms; at most 31 days.
    #[schema(minimum = 1, maximum = 2_678_400_000_u64)]
    window_ms: Option<u64>,
    /// Tokens in any minute.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    tokens_per_minute: Option<u64>,
    /// Requests at the same time.
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_u64)]
    concurrent: Option<u32>,
}

/// What to change. What is absent stays; null goes back to the default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things here")]
pub(super) struct DeviceChange {
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    org: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    user: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<Vec<String>>)]
    models: Option<Option<Vec<String>>>,
    /// Replaces all four; null takes all back.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<LimitsView>)]
    limits: Option<Option<LimitsView>>,
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<serde_json::Value>)]
    budget: Option<Option<serde_json::Value>>,
    /// `active` or `revoked`.
    #[schema(pattern = "^(active|revoked)$")]
    state: Option<String>,
}

/// Which device.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DevicePath {
    /// Its id.
    #[param(min_length = 8, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*[a-z0-9]$")]
    device_id: String,
}

/// Which devices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceQuery {
    /// The beginning of an id, an organisation or a user.
    search: Option<String>,
    /// `active` or `revoked`.
    #[param(pattern = "^(active|revoked)$")]
    state: Option<String>,
}

/// Lists devices, by id.
#[utoipa::path(get, path = "/admin/devices", operation_id = "list_devices", params(DeviceQuery, PageQuery),
    responses((status = 200, description = "A page of devices", body = Listed<DeviceView>), Fault))]
pub(super) async fn list(
    State(desk): State<Desk>,
    Asked(query): Asked<DeviceQuery>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Listed<DeviceView>>, Fault> {
    let filter = DeviceFilter { prefix: query.search, state: query.state.as_deref().map(state).transpose()? };
    let page = desk.database.devices().list(&filter, &page.read()?).await?;
    Ok(Json(Listed { items: page.items.into_iter().map(view).collect(), next: page.next }))
}

/// One device.
#[utoipa::path(get, path = "/admin/devices/{device_id}", operation_id = "get_device", params(DevicePath),
    responses((status = 200, description = "The device", body = DeviceView), Fault))]
pub(super) async fn get(State(desk): State<Desk>, Named(path): Named<DevicePath>) -> Result<Json<DeviceView>, Fault> {
    let device = desk.database.devices().get(&device_id(&path.device_id)?).await?;
    device.map(view).map(Json).ok_or(UNKNOWN)
}

/// Changes what a device may do, at once and on every instance within seconds.
#[utoipa::path(patch, path = "/admin/devices/{device_id}", operation_id = "change_device", params(DevicePath),
    request_body = DeviceChange,
    responses((status = 200, description = "The device as it is now", body = DeviceView), Fault))]
pub(super) async fn change(
    State(desk): State<Desk>,
    Named(path): Named<DevicePath>,
    body: Result<Json<DeviceChange>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<DeviceView>, Fault> {
    let id = device_id(&path.device_id)?;
    let Json(change) = body.map_err(|error| Fault::Invalid(error.body_text()))?;
    let new_state = change.state.as_deref().map(state).transpose()?;
    let patch = patch(change, new_state)?;
    let devices = desk.database.devices();
    let device = devices.patch(&id, &patch, desk.clock.now()).await?.ok_or(UNKNOWN)?;
    if let Some(new_state) = new_state {
        follow_state(&desk, &id, new_state).await?;
    }
    Ok(Json(view(device)))
}

/// Forgets a device and what was said of it; what it used stays on record. Its tokens stay good: revoke it to end them.
#[utoipa::path(delete, path = "/admin/devices/{device_id}", operation_id = "delete_device", params(DevicePath),
    responses((status = 204, description = "It is forgotten"), Fault))]
pub(super) async fn delete(State(desk): State<Desk>, Named(path): Named<DevicePath>) -> Result<StatusCode, Fault> {
    let id = device_id(&path.device_id)?;
    if !desk.database.devices().delete(&id).await? {
        return Err(UNKNOWN);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The state is in force as a revocation of the device, as any other.
async fn follow_state(desk: &Desk, id: &DeviceId, state: DeviceState) -> Result<(), Fault> {
    let revocations = desk.database.revocations();
    if state == DeviceState::Revoked {
        let new = NewRevocation {
            kind: RevocationKind::DeviceId,
            value: id.to_string(),
            reason: Some("The device's state was set to revoked".into()),
            created_by: "admin".into(),
            expires_at: None,
        };
        revocations.insert(&new, desk.clock.now()).await?;
        return Ok(());
    }
    let (_, live) = revocations.live(desk.clock.now()).await?;
    for entry in live.iter().filter(|entry| entry.kind == RevocationKind::DeviceId && entry.value == id.as_str()) {
        revocations.delete(&entry.id).await?;
    }
    Ok(())
}

fn patch(change: DeviceChange, state: Option<DeviceState>) -> Result<DevicePatch, Fault> {
    let too_long = |texts: &[String]| texts.iter().map(|text| text.chars().count()).sum::<usize>() > 1000;
    if change.models.iter().flatten().any(|models| too_long(models)) {
        return Err(Fault::Invalid(
            "`models` is longer than 1000 characters; use patterns such as claude-haiku-*".into(),
        ));
    }
    let names = [&change.org, &change.user];
    if names.into_iter().flatten().flatten().any(|name| name.is_empty() || name.chars().count() > 200) {
        return Err(Fault::Invalid("`org` and `user` have 1 to 200 characters".into()));
    }
    let mut patch = DevicePatch {
        org: change.org,
        user: change.user,
        models: change.models,
        budget: change.budget,
        state,
        ..DevicePatch::default()
    };
    if let Some(limits) = change.limits {
        let none = LimitsView { requests: None, window_ms: None, tokens_per_minute: None, concurrent: None };
        let limits = limits.unwrap_or(none);
        if limits.window_ms.is_some_and(|window| window == 0 || window > MOST_WINDOW) {
            return Err(Fault::Invalid(format!("`limits.window_ms` is not a number from 1 to {MOST_WINDOW}")));
        }
        if limits.tokens_per_minute.is_some_and(|tokens| tokens > MOST_TOKENS) {
            return Err(Fault::Invalid(format!("`limits.tokens_per_minute` is more than {MOST_TOKENS}")));
        }
        patch.requests = Some(limits.requests);
        patch.window = Some(limits.window_ms.map(Duration::from_millis));
        patch.tokens_per_minute = Some(limits.tokens_per_minute);
        patch.concurrent = Some(limits.concurrent);
    }
    Ok(patch)
}

fn view(device: Device) -> DeviceView {
    let window = device.limits.window.map(|window| u64::try_from(window.as_millis()).unwrap_or(u64::MAX));
    DeviceView {
        device_id: device.id.to_string(),
        first_seen: millis(device.first_seen),
        last_seen: millis(device.last_seen),
        org: device.org,
        user: device.user,
        models: device.models,
        limits: LimitsView {
            requests: device.limits.requests,
            window_ms: window,
            tokens_per_minute: device.limits.tokens_per_minute,
            concurrent: device.limits.concurrent,
        },
        budget: device.budget,
        state: device.state.as_str(),
    }
}

/// Tells a field that is null from one that is absent.
#[expect(clippy::option_option, reason = "as above")]
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn state(text: &str) -> Result<DeviceState, Fault> {
    DeviceState::parse(text).ok_or_else(|| Fault::Invalid("`state` is neither active nor revoked".into()))
}

/// The device that a path names.
pub(super) fn device_id(text: &str) -> Result<DeviceId, Fault> {
    DeviceId::parse(text).map_err(|error| Fault::Invalid(format!("The device id {error}")))
}

const UNKNOWN: Fault = Fault::Unknown("device");

/// 31 days.
const MOST_WINDOW: u64 = 2_678_400_000;

/// What Redis and JSON's readers still count exactly.
const MOST_TOKENS: u64 = (1 << 53) - 1;
