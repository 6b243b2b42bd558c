//! The body of an error as it crosses the hop: the envelope of the Anthropic API.

use serde::{Deserialize, Serialize};

use super::error::{ErrorCode, ErrorKind};

/// The envelope of an error: `{"type":"error","error":{…},"request_id":…}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The envelope's `type`, which is always `error`.
    #[serde(rename = "type")]
    pub tag: ErrorTag,
    /// The error itself, for programs and people.
    pub error: ErrorDetail,
    /// The value of the header `request-id`.
    pub request_id: Option<String>,
}

/// The only value of the envelope's `type`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorTag {
    /// Spelled `error` in JSON.
    Error,
}

/// The inner object of the envelope.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// The class that SDKs map to their own error types.
    #[serde(rename = "type")]
    pub kind: ErrorKind,
    /// One sentence for a person.
    pub message: String,
    /// Details for programs; absent in an error of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<ErrorDetails>,
}

/// The machine-readable part of an error.
#[derive(Debug, Serialize, Deserialize)]
pub struct ErrorDetails {
    /// The code that decides what a client does next.
    pub error_code: ErrorCode,
}

impl ErrorBody {
    /// The envelope for `code`, with one sentence for a person.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>, request_id: Option<String>) -> Self {
        let (_, kind, _) = code.answer();
        let is_in_body = code.is_told() || code == ErrorCode::ThreadNotFound;
        let details = is_in_body.then_some(ErrorDetails { error_code: code });
        Self { tag: ErrorTag::Error, error: ErrorDetail { kind, message: message.into(), details }, request_id }
    }

    /// The envelope for an error of the API with this HTTP status, whose own body cannot be passed on.
    #[must_use]
    pub fn of_status(status: u16, message: impl Into<String>, request_id: Option<String>) -> Self {
        let error = ErrorDetail { kind: ErrorKind::of_status(status), message: message.into(), details: None };
        Self { tag: ErrorTag::Error, error, request_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a32_the_error_for_another_devices_object_shows_no_sign_of_valetkey() {
        let body = ErrorBody::new(ErrorCode::ObjectUnknown, "Not found", Some("req_1".into()));
        let expected = serde_json::json!({
            "type": "error", "error": { "type": "not_found_error", "message": "Not found" }, "request_id": "req_1"
        });
        assert_eq!(serde_json::to_value(body).unwrap(), expected);
        let body = ErrorBody::new(ErrorCode::ThreadNotFound, "Not found", Some("req_1".into()));
        let details = serde_json::json!({ "error_code": "thread_not_found" });
        let error = serde_json::json!({ "type": "not_found_error", "message": "Not found", "details": details });
        assert_eq!(serde_json::to_value(body.error).unwrap(), error);
        assert!(!ErrorCode::ThreadNotFound.is_told());
    }
}
