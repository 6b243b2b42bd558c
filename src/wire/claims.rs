//! The claims inside a wrapper token (RFC 7519), with the type that RFC 9068 gives to access tokens.

use serde::{Deserialize, Serialize};

use super::DeviceId;

/// The `typ` of a wrapper token: an access token, and no other kind of JWT (RFC 9068 §2.1).
pub const TOKEN_TYP: &str = "at+jwt";

/// The claims of a wrapper token. Times are Unix seconds as JSON integers; the types refuse a string or a float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The service that issued the token.
    pub iss: String,
    /// The service that the token is for.
    pub aud: String,
    /// The device that the token was issued to.
    pub sub: DeviceId,
    /// When the token was issued.
    pub iat: u64,
    /// The token is not valid before this second.
    pub nbf: u64,
    /// The token is not valid from this second on.
    pub exp: u64,
    /// The token's own id: 128 random bits as text.
    pub jti: String,
    /// The organisation that the device belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// The user of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The version of the app that asked for the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// The models the device may use: exact ids, or a prefix and `*`. Absent or empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// The key that the device must prove when it renews the token (RFC 9449 §6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// Names a key that the token is bound to (RFC 7800 §3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The SHA-256 thumbprint of the device's key (RFC 7638).
    pub jkt: String,
}
