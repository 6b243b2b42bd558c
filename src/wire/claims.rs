//! The claims inside a wrapper token (RFC 7519, typed as RFC 9068 asks).

use serde::{Deserialize, Serialize};

use super::DeviceId;

/// The `typ` of a wrapper token: an access token and nothing else (RFC 9068 §2.1).
pub const TOKEN_TYP: &str = "at+jwt";

/// What a wrapper token says. Times are Unix seconds and JSON integers; a string or a float is refused by the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Which service issued it.
    pub iss: String,
    /// Which service it is for.
    pub aud: String,
    /// The device.
    pub sub: DeviceId,
    /// Issued at.
    pub iat: u64,
    /// Not valid before.
    pub nbf: u64,
    /// Not valid from this second on.
    pub exp: u64,
    /// Names this one token: 128 random bits, as text.
    pub jti: String,
    /// The organisation the device belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// The person at the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The version of the app that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// The models it may ask for: exact ids, or a beginning and `*`. Absent or empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// The key that the device must prove to have when it renews the token (RFC 9449 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// Names a key (RFC 7800 §3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The thumbprint of the device's key (RFC 7638).
    pub jkt: String,
}
