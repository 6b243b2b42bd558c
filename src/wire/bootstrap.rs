//! The bodies of `POST /bootstrap` and `POST /refresh`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::DeviceId;
use crate::secret::Secret;

/// What a device sends to get its first wrapper token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapRequest {
    /// Who asks.
    pub device_id: DeviceId,
    /// Proof that this installation may enrol; needed when the service runs in the mode `enrolment`.
    #[serde(default)]
    pub enrolment: Option<Secret>,
    /// The version of the app, so that a bad one can be revoked; at most 64 printable ASCII characters.
    #[serde(default)]
    pub app_version: Option<String>,
}

impl BootstrapRequest {
    /// The body as JSON. Written here and not by `Serialize`, because a [`Secret`] has none.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        let mut body = serde_json::json!({ "device_id": self.device_id });
        if let Some(token) = &self.enrolment {
            body["enrolment"] = token.expose().into();
        }
        if let Some(version) = &self.app_version {
            body["app_version"] = version.as_str().into();
        }
        Secret::new(body.to_string())
    }
}

/// What the service answers to both: a wrapper token and how to live with it.
///
/// Unknown fields are ignored, so that an older client understands a newer service.
#[derive(Debug, Deserialize)]
pub struct TokenResponse {
    /// The bare JWT, without the prefix.
    pub token: Secret,
    /// Always `Bearer`.
    pub token_type: TokenType,
    /// Seconds from now until the token dies. The client trusts this and not `expires_at`: desktop clocks are wrong.
    pub expires_in: u64,
    /// The same moment as Unix seconds, for people and logs.
    pub expires_at: u64,
    /// Seconds from now until the service would like to see a refresh.
    pub refresh_in: u64,
    /// Where to send `/v1` requests; `null` means the origin that answered.
    pub base_url: Option<String>,
    /// The device the token was made for.
    pub device_id: DeviceId,
    /// The models this device may ask for; empty means every model the upstream key may.
    #[serde(default)]
    pub models: Vec<String>,
}

impl TokenResponse {
    /// The token's life, counted from the moment the answer arrived.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.expires_in)
    }

    /// The answer as JSON. Written here and not by `Serialize`, because a [`Secret`] has none.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        let body = serde_json::json!({
            "token": self.token.expose(),
            "token_type": self.token_type,
            "expires_in": self.expires_in,
            "expires_at": self.expires_at,
            "refresh_in": self.refresh_in,
            "base_url": self.base_url,
            "device_id": self.device_id,
            "models": self.models,
        });
        Secret::new(body.to_string())
    }
}

/// How the token is presented (RFC 6750).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenType {
    /// In `Authorization: Bearer`.
    Bearer,
}
