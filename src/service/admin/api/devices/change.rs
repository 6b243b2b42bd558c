//! The body of a `PATCH` of a device. `valetkey admin` writes it, the route reads it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::service::admin::api::error::AdminError;
use crate::service::base::strict_object::StrictObject;
use crate::service::govern::budgets::Limits;
use crate::service::govern::features::{FeaturePolicy, FeatureWordError};
use crate::service::govern::overrides::LimitOverrides;
use crate::service::store::database::{DevicePatch, DeviceState};
use crate::service::token::model_pattern::check_pattern;

/// What to change. What is absent stays; null goes back to the default.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things here")]
pub(crate) struct DeviceChange {
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub org: Option<Option<String>>,
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub user: Option<Option<String>>,
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    /// Ids, or beginnings of ids with a `*` behind them.
    #[schema(value_type = Option<Vec<String>>)]
    pub models: Option<Option<Vec<String>>>,
    /// Replaces all four; null takes all back.
    #[serde(default, deserialize_with = "said_object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LimitsView>)]
    pub limits: Option<Option<LimitsView>>,
    /// The features that it may use, replaced as a whole: for what is absent or null in it the service's default holds.
    #[serde(default, deserialize_with = "said_object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<FeaturePolicy>)]
    pub features: Option<Option<FeaturePolicy>>,
    /// What it may spend, replaced as a whole: what is absent or null in it is no limit.
    #[serde(default, deserialize_with = "said_object", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Limits>)]
    pub budget: Option<Option<Limits>>,
    /// The thumbprint (RFC 7638) of the key that it must prove from now on. Null lets the key go: the next one that is
    /// proved with the device's id is bound to it, whoever has it.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z0-9_-]{43}$")]
    pub key: Option<Option<String>>,
    /// `revoked` makes a revocation of the device, `active` removes it, whichever way it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(active|revoked)$")]
    pub state: Option<String>,
}

/// Limits; null is the service's default, 0 is no limit.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsView {
    /// Requests in any window.
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_u64)]
    pub requests: Option<u32>,
    /// The window, in ms; at most 31 days.
    #[schema(minimum = 1, maximum = 2_678_400_000_u64)]
    pub window_ms: Option<u64>,
    /// Tokens in any minute.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub tokens_per_minute: Option<u64>,
    /// Requests at the same time.
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_u64)]
    pub concurrent: Option<u32>,
}

impl DeviceChange {
    /// The change as the database takes it. [`AdminError::Invalid`] names the wrong field.
    pub(super) fn read(self) -> Result<DevicePatch, AdminError> {
        let too_long = |texts: &[String]| texts.iter().map(|text| text.chars().count()).sum::<usize>() > 1000;
        if self.models.iter().flatten().any(|models| too_long(models)) {
            return Err(AdminError::Invalid(
                "`models` is longer than 1000 characters; use patterns such as claude-haiku-*".into(),
            ));
        }
        for model in self.models.iter().flatten().flatten() {
            check_pattern(model).map_err(|fault| AdminError::Invalid(format!("`models`: {model:?} {fault}")))?;
        }
        for features in self.features.iter().flatten() {
            let wrong =
                |(name, fault): (&str, FeatureWordError)| AdminError::Invalid(format!("`features.{name}` {fault}"));
            features.check().map_err(wrong)?;
            if features.max_tokens.is_some_and(|tokens| tokens > MOST_TOKENS) {
                return Err(AdminError::Invalid(format!("`features.max_tokens` is more than {MOST_TOKENS}")));
            }
        }
        let names = [&self.org, &self.user];
        if names.into_iter().flatten().flatten().any(|name| name.is_empty() || name.chars().count() > 200) {
            return Err(AdminError::Invalid("`org` and `user` have 1 to 200 characters".into()));
        }
        let is_thumbprint = |key: &String| {
            key.len() == 43 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !self.key.iter().flatten().all(is_thumbprint) {
            return Err(AdminError::Invalid("`key` is not a thumbprint: 43 characters of base64url".into()));
        }
        Ok(DevicePatch {
            org: self.org,
            user: self.user,
            models: self.models,
            limits: self.limits.map(|limits| limits.unwrap_or_default().overrides()).transpose()?,
            features: self.features,
            budget: self.budget,
            key: self.key,
            state: self.state.as_deref().map(state).transpose()?,
        })
    }
}

impl LimitsView {
    fn overrides(self) -> Result<LimitOverrides, AdminError> {
        if self.window_ms.is_some_and(|window| window == 0 || window > MOST_WINDOW) {
            return Err(AdminError::Invalid(format!("`limits.window_ms` is not a number from 1 to {MOST_WINDOW}")));
        }
        if self.tokens_per_minute.is_some_and(|tokens| tokens > MOST_TOKENS) {
            return Err(AdminError::Invalid(format!("`limits.tokens_per_minute` is more than {MOST_TOKENS}")));
        }
        Ok(LimitOverrides {
            requests: self.requests,
            window: self.window_ms.map(Duration::from_millis),
            tokens_per_minute: self.tokens_per_minute,
            concurrent: self.concurrent,
        })
    }
}

/// Tells a null field from an absent one.
#[expect(clippy::option_option, reason = "as above")]
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// As [`said`], for an object.
#[expect(clippy::option_option, reason = "as above")]
fn said_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Ok(Some(Option::deserialize(deserializer)?.map(|StrictObject(object)| object)))
}

/// 31 days in milliseconds.
const MOST_WINDOW: u64 = 2_678_400_000;

/// The largest number that Redis and JSON readers count exactly.
const MOST_TOKENS: u64 = (1 << 53) - 1;

pub(super) fn state(text: &str) -> Result<DeviceState, AdminError> {
    DeviceState::parse(text).ok_or_else(|| AdminError::Invalid("`state` is neither active nor revoked".into()))
}
