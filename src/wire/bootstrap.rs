//! The bodies of `POST /bootstrap` and `POST /refresh`, as JSON.

use serde::{Deserialize, Serialize};

use super::DeviceId;
use crate::secret::Secret;

/// A device's request for its first wrapper token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapRequest {
    /// The device that asks, as it names itself.
    pub device_id: DeviceId,
    /// The enrolment token, which shows that this installation may enrol; required in the mode `enrolment`.
    #[serde(default)]
    pub enrolment: Option<Secret>,
    /// The app's version, so that a bad one can be revoked; at most 64 printable ASCII characters.
    #[serde(default)]
    pub app_version: Option<String>,
}

impl BootstrapRequest {
    /// The body as JSON. [`Secret`] has no `Serialize`, so this method writes it.
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

/// The service's answer to both requests: a wrapper token, its lifetime and its use.
///
/// Unknown fields are ignored, so that an older client understands a newer service.
#[derive(Debug, Deserialize)]
pub struct TokenResponse {
    /// The bare JWT, without the prefix `sk-ant-proxy-`.
    pub token: Secret,
    /// How to present the token.
    pub token_type: TokenType,
    /// Seconds from now until the token expires. The client uses this and not `expires_at`: desktop clocks are wrong.
    pub expires_in: u64,
    /// The expiry as Unix seconds, for people and logs.
    pub expires_at: u64,
    /// Seconds from now until the service wants the token to be refreshed.
    pub refresh_in: u64,
    /// Where to send `/v1` requests; `null` means the origin that answered.
    pub base_url: Option<String>,
    /// The base URLs of the service's regions: tokens of one are good at all. Left out if there are none.
    #[serde(default)]
    pub regions: Vec<String>,
    /// The device that the token was made for.
    pub device_id: DeviceId,
    /// The models this device may use; empty means every model that the upstream key may use.
    #[serde(default)]
    pub models: Vec<String>,
}

impl TokenResponse {
    /// The answer as JSON. [`Secret`] has no `Serialize`, so this method writes it.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        let mut body = serde_json::json!({
            "token": self.token.expose(),
            "token_type": self.token_type,
            "expires_in": self.expires_in,
            "expires_at": self.expires_at,
            "refresh_in": self.refresh_in,
            "base_url": self.base_url,
            "device_id": self.device_id,
            "models": self.models,
        });
        if !self.regions.is_empty() {
            body["regions"] = self.regions.as_slice().into();
        }
        Secret::new(body.to_string())
    }
}

/// How a token is presented (RFC 6750 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenType {
    /// In the header `Authorization: Bearer`.
    Bearer,
}
