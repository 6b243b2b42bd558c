//! One device as the database has it.

use std::time::{Duration, SystemTime};

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::service::base::strict_object::ObjectOf;
use crate::service::govern::budgets::Limits;
use crate::service::govern::overrides::LimitOverrides;
use crate::service::store::database::error::StoreError;
use crate::service::store::database::statement::Value;
use crate::service::store::database::{column, millis};
use crate::wire::DeviceId;

/// One device.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its name.
    pub id: DeviceId,
    /// When it first did something; none when only an administrator has spoken of it.
    pub first_seen: Option<SystemTime>,
    /// When it last did something; up to a second late.
    pub last_seen: Option<SystemTime>,
    /// Its organisation: as an administrator said, else from its latest token that named one.
    pub org: Option<String>,
    /// Its user, likewise.
    pub user: Option<String>,
    /// Its organisation, if an administrator said.
    pub ruled_org: Option<String>,
    /// Its user, likewise.
    pub ruled_user: Option<String>,
    /// The models it may use; none is the service's default.
    pub models: Option<Vec<String>>,
    /// What it may do, where that differs from the service's default.
    pub limits: LimitOverrides,
    /// What it may spend; none is the service's default.
    pub budget: Option<Limits>,
    /// The thumbprint of its key, if it has proved one or an administrator said so.
    pub key: Option<String>,
    /// Whether it may do anything, by the revocations. Its user or organisation may be revoked all the same.
    pub state: DeviceState,
    /// When an administrator last changed something of this.
    pub updated_at: Option<SystemTime>,
}

/// Whether a device may do anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// It may.
    Active,
    /// It may not.
    Revoked,
}

/// What an administrator changes. Outer `None`: stays as it is. Inner `None`: back to the service's default.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::option_option, reason = "staying, going back and a value are three things")]
pub struct DevicePatch {
    /// [`Device::ruled_org`]
    pub org: Option<Option<String>>,
    /// [`Device::ruled_user`]
    pub user: Option<Option<String>>,
    /// [`Device::models`]
    pub models: Option<Option<Vec<String>>>,
    /// [`LimitOverrides::requests`]
    pub requests: Option<Option<u32>>,
    /// [`LimitOverrides::window`]
    pub window: Option<Option<Duration>>,
    /// [`LimitOverrides::tokens_per_minute`]
    pub tokens_per_minute: Option<Option<u64>>,
    /// [`LimitOverrides::concurrent`]
    pub concurrent: Option<Option<u32>>,
    /// [`Device::budget`]
    pub budget: Option<Option<Limits>>,
    /// [`Device::key`]: none lets the key go, and the next one that is proved is bound.
    pub key: Option<Option<String>>,
    /// [`Device::state`]: makes or removes the device's revocation.
    pub state: Option<DeviceState>,
}

impl DeviceState {
    /// As the database and the admin routes write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }

    /// Reads what [`as_str`](Self::as_str) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Revoked].into_iter().find(|state| state.as_str() == text)
    }
}

impl DevicePatch {
    /// Columns and their new values. The state and the key are in other tables.
    pub(super) fn changes(&self) -> Vec<(&'static str, Value<'_>)> {
        let number = |number: &Option<u32>| number.map(i64::from).into();
        let budget = |limits: &Option<Limits>| {
            Value::from(limits.map(|limits| serde_json::to_string(&limits).expect("limits are plain JSON")))
        };
        let models = |models: &Option<Vec<String>>| {
            Value::from(models.as_ref().map(|models| serde_json::Value::from(models.clone()).to_string()))
        };
        [
            self.org.as_ref().map(|org| ("ruled_org", org.as_deref().into())),
            self.user.as_ref().map(|user| ("ruled_user", user.as_deref().into())),
            self.models.as_ref().map(|value| ("models", models(value))),
            self.requests.as_ref().map(|value| ("limit_requests", number(value))),
            self.window.map(|value| ("limit_window_ms", value.map(millis::from_duration).into())),
            self.tokens_per_minute.map(|value| {
                ("limit_tokens_per_minute", value.map(|count| i64::try_from(count).unwrap_or(i64::MAX)).into())
            }),
            self.concurrent.as_ref().map(|value| ("limit_concurrent", number(value))),
            self.budget.as_ref().map(|value| ("budget", budget(value))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Device {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let (ruled_org, ruled_user): (Option<String>, Option<String>) =
            (row.try_get("ruled_org")?, row.try_get("ruled_user")?);
        Ok(Self {
            id: column::parsed(row, "id", |id| DeviceId::parse(id).ok())?,
            first_seen: seen(row, "first_seen")?,
            last_seen: seen(row, "last_seen")?,
            org: Option::or(ruled_org.clone(), row.try_get("org")?),
            user: Option::or(ruled_user.clone(), row.try_get("user_name")?),
            ruled_org,
            ruled_user,
            models: column::maybe_json(row, "models")?,
            limits: LimitOverrides {
                requests: column::maybe_number(row, "limit_requests")?,
                window: column::maybe_number(row, "limit_window_ms")?.map(Duration::from_millis),
                tokens_per_minute: column::maybe_number(row, "limit_tokens_per_minute")?,
                concurrent: column::maybe_number(row, "limit_concurrent")?,
            },
            budget: budget(row)?,
            key: row.try_get("key_thumbprint")?,
            state: column::parsed(row, "state", DeviceState::parse)?,
            updated_at: row.try_get::<Option<i64>, _>("updated_at")?.map(millis::to_time),
        })
    }
}

/// What an earlier version kept here was without form and never in force, so what cannot be read is as if it were not there.
fn budget(row: &AnyRow) -> Result<Option<Limits>, StoreError> {
    let text: Option<String> = row.try_get("budget")?;
    let read = |text: String| serde_json::from_str::<ObjectOf<Limits>>(&text).ok();
    Ok(text.and_then(read).map(|ObjectOf(limits)| limits))
}

fn seen(row: &AnyRow, column: &str) -> Result<Option<SystemTime>, StoreError> {
    let millis: i64 = row.try_get(column)?;
    Ok((millis != NEVER).then(|| millis::to_time(millis)))
}

/// When a device was seen of which only an administrator has spoken.
pub(super) const NEVER: i64 = 0;

/// Without `state`, which the first version kept here. It is not read any more, and stays for instances of that version
/// that run beside newer ones.
pub(super) const COLUMNS: &str = "id, first_seen, last_seen, org, user_name, ruled_org, ruled_user, models, \
    limit_requests, limit_window_ms, limit_tokens_per_minute, limit_concurrent, budget, updated_at";
