//! What a `PATCH` of a device says. `valetkey admin` writes it, the route reads it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::state;
use crate::service::admin::fault::Fault;
use crate::service::store::DevicePatch;

/// What to change. What is absent stays; null goes back to the default.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things here")]
pub(in crate::service) struct DeviceChange {
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub org: Option<Option<String>>,
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub user: Option<Option<String>>,
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub models: Option<Option<Vec<String>>>,
    /// Replaces all four; null takes all back.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LimitsView>)]
    pub limits: Option<Option<LimitsView>>,
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub budget: Option<Option<serde_json::Value>>,
    /// `revoked` makes a revocation of the device, `active` removes it, whichever way it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// Limits; null is the service's default, 0 is no limit.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct LimitsView {
    /// Requests in any window.
    pub requests: Option<u32>,
    /// The window, in ms.
    pub window_ms: Option<u64>,
    /// Tokens in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests at the same time.
    pub concurrent: Option<u32>,
}

impl DeviceChange {
    /// As the database takes it.
    ///
    /// # Errors
    /// [`Fault::Invalid`] names what makes no sense.
    pub(super) fn read(self) -> Result<DevicePatch, Fault> {
        let too_long = |texts: &[String]| texts.iter().map(String::len).sum::<usize>() > 1000;
        if self.models.iter().flatten().any(|models| too_long(models)) {
            return Err(Fault::Invalid(
                "`models` is longer than 1000 characters; use patterns such as claude-haiku-*".into(),
            ));
        }
        let names = [&self.org, &self.user];
        if names.into_iter().flatten().flatten().any(|name| name.is_empty() || name.len() > 200) {
            return Err(Fault::Invalid("`org` and `user` have 1 to 200 characters".into()));
        }
        let mut patch = DevicePatch {
            org: self.org,
            user: self.user,
            models: self.models,
            budget: self.budget,
            state: self.state.as_deref().map(state).transpose()?,
            ..DevicePatch::default()
        };
        if let Some(limits) = self.limits {
            let limits = limits.unwrap_or_default();
            if limits.window_ms == Some(0) {
                return Err(Fault::Invalid("`limits.window_ms` must be more than 0".into()));
            }
            patch.requests = Some(limits.requests);
            patch.window = Some(limits.window_ms.map(Duration::from_millis));
            patch.tokens_per_minute = Some(limits.tokens_per_minute);
            patch.concurrent = Some(limits.concurrent);
        }
        Ok(patch)
    }
}

/// Tells a field that is null from one that is absent.
#[expect(clippy::option_option, reason = "as above")]
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
