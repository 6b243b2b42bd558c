//! The id of a device, as the service knows it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// 8 to 64 characters of `a-z 0-9 . _ -`; the first and the last are a letter or a digit.
///
/// The charset is strict so that a device has exactly one spelling (no case, no Unicode forms) and its id is safe in a
/// log line, a Redis key and a URL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(Arc<str>);

/// Why a text is not a [`DeviceId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceIdError {
    /// The text has fewer than 8 or more than 64 characters.
    #[error("device_id must have {MIN_LENGTH} to {MAX_LENGTH} characters")]
    Length,
    /// The text has a character outside the charset, or begins or ends with punctuation.
    #[error("device_id may hold only a-z, 0-9, '.', '_' and '-', and must begin and end with a letter or a digit")]
    Charset,
}

impl DeviceId {
    /// Checks `text` and keeps it unchanged: another spelling is refused, not folded.
    pub fn parse(text: &str) -> Result<Self, DeviceIdError> {
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) {
            return Err(DeviceIdError::Length);
        }
        let bytes = text.as_bytes();
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inside = |byte: u8| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-');
        let ends = alphanumeric(bytes[0]) && alphanumeric(bytes[bytes.len() - 1]);
        if ends && bytes.iter().all(|&byte| inside(byte)) { Ok(Self(text.into())) } else { Err(DeviceIdError::Charset) }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.0)
    }
}

impl TryFrom<String> for DeviceId {
    type Error = DeviceIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0.as_ref().into()
    }
}

const MIN_LENGTH: usize = 8;
const MAX_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_charset_is_kept_as_it_is() {
        for text in ["a1b2c3d4", "device-1.prod_eu", &"f".repeat(64)] {
            assert_eq!(DeviceId::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a16_another_spelling_is_refused_not_folded() {
        for text in
            ["ABCDEFGH", "abc\u{0}defgh", "abcdéfgh", "abcd:efgh", "abcd*efgh", "abcdefg\n", "-abcdefg", "abcdefg."]
        {
            assert_eq!(DeviceId::parse(text), Err(DeviceIdError::Charset), "{text:?}");
        }
        for text in ["", "short", &"f".repeat(65), &"f".repeat(1 << 20)] {
            assert_eq!(DeviceId::parse(text), Err(DeviceIdError::Length));
        }
    }
}
