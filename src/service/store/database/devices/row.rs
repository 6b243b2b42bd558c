//! A device as the database has it.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::service::base::enum_names::enum_names;
use crate::service::base::strict_object::StrictObject;
use crate::service::govern::budgets::Limits;
use crate::service::govern::features::FeaturePolicy;
use crate::service::govern::overrides::LimitOverrides;
use crate::service::store::database::error::StoreError;
use crate::service::store::database::statement::Value;
use crate::service::store::database::{column, millis};
use crate::wire::DeviceId;

#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    pub id: DeviceId,
    /// `None` when the device has done nothing and only an administrator has named it.
    pub first_seen: Option<SystemTime>,
    /// Up to a second late.
    pub last_seen: Option<SystemTime>,
    /// As an administrator set it, else from the latest token that named one. So is `user`.
    pub org: Option<String>,
    pub user: Option<String>,
    /// As an administrator set it. So is `ruled_user`.
    pub ruled_org: Option<String>,
    pub ruled_user: Option<String>,
    /// The models that the device may use; `None` is the service's default.
    pub models: Option<Vec<String>>,
    /// The device's limits where they differ from the service's defaults.
    pub limits: LimitOverrides,
    /// The features that go over the service's defaults, field by field; `None` is the defaults.
    pub features: Option<FeaturePolicy>,
    /// `None` is the service's default.
    pub budget: Option<Limits>,
    /// The thumbprint of the key that the device has proved or an administrator has set.
    pub key: Option<String>,
    /// By the revocations of the device. Its user or organisation may be revoked all the same.
    pub state: DeviceState,
    /// The last change by an administrator.
    pub updated_at: Option<SystemTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    Active,
    Revoked,
}

/// A change by an administrator. The outer `None` keeps a value, the inner `None` goes back to the service's default.
/// `org` and `user` change [`Device::ruled_org`] and [`Device::ruled_user`].
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::option_option, reason = "staying, going back and a value are three things")]
pub struct DevicePatch {
    pub org: Option<Option<String>>,
    pub user: Option<Option<String>>,
    pub models: Option<Option<Vec<String>>>,
    /// All limits are replaced together.
    pub limits: Option<LimitOverrides>,
    /// All fields are replaced together.
    pub features: Option<Option<FeaturePolicy>>,
    pub budget: Option<Option<Limits>>,
    /// `Some(None)` releases the key, and the next key that the device proves is bound.
    pub key: Option<Option<String>>,
    /// Makes or removes the device's revocation.
    pub state: Option<DeviceState>,
}

enum_names!(DeviceState { Active = "active", Revoked = "revoked" });

impl DevicePatch {
    /// Columns and their new values. The state and the key are in other tables.
    pub(super) fn changes(&self) -> Vec<(&'static str, Value<'_>)> {
        let single: [Option<(&str, Value<'_>)>; 5] = [
            self.org.as_ref().map(|org| ("ruled_org", org.as_deref().into())),
            self.user.as_ref().map(|user| ("ruled_user", user.as_deref().into())),
            self.models.as_ref().map(|models| ("models", json(models.as_ref()))),
            self.features.as_ref().map(|features| ("features", json(features.as_ref()))),
            self.budget.as_ref().map(|budget| ("budget", json(budget.as_ref()))),
        ];
        let saturated = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let limits = self.limits.map(|limits| {
            [
                ("limit_requests", limits.requests.map(i64::from).into()),
                ("limit_window_ms", limits.window.map(millis::from_duration).into()),
                ("limit_tokens_per_minute", limits.tokens_per_minute.map(saturated).into()),
                ("limit_concurrent", limits.concurrent.map(i64::from).into()),
            ]
        });
        single.into_iter().flatten().chain(limits.into_iter().flatten()).collect()
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
            features: column::maybe_json(row, "features")?.map(|StrictObject(features)| features),
            budget: budget(row)?,
            key: row.try_get("key_thumbprint")?,
            state: column::parsed(row, "state", DeviceState::parse)?,
            updated_at: row.try_get::<Option<i64>, _>("updated_at")?.map(millis::to_time),
        })
    }
}

fn json(value: Option<&impl Serialize>) -> Value<'static> {
    value.map(|value| serde_json::to_string(value).expect("models, features and budgets are plain JSON")).into()
}

/// An earlier version kept free text here that was never in force, so a text that cannot be read counts as absent.
fn budget(row: &AnyRow) -> Result<Option<Limits>, StoreError> {
    let text: Option<String> = row.try_get("budget")?;
    let read = |text: String| serde_json::from_str::<StrictObject<Limits>>(&text).ok();
    Ok(text.and_then(read).map(|StrictObject(limits)| limits))
}

fn seen(row: &AnyRow, column: &str) -> Result<Option<SystemTime>, StoreError> {
    let millis: i64 = row.try_get(column)?;
    Ok((millis != NEVER).then(|| millis::to_time(millis)))
}

/// `first_seen` and `last_seen` of a device that only an administrator has named.
pub(super) const NEVER: i64 = 0;

/// Without `state`, which the first version kept here. It is not read any more; the column stays for instances of that
/// version that run beside newer ones.
pub(super) const COLUMNS: &str = "id, first_seen, last_seen, org, user_name, ruled_org, ruled_user, models, \
    limit_requests, limit_window_ms, limit_tokens_per_minute, limit_concurrent, features, budget, updated_at";
