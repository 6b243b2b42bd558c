//! What is wrong with one setting.

use super::settings::Setting;

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct ConfigError {
    /// The environment variable; the flag has the same name.
    pub variable: &'static str,
    /// The fault, and what would be right.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(setting: Setting, message: impl Into<String>) -> Self {
        Self { variable: setting.name, message: message.into() }
    }
}
