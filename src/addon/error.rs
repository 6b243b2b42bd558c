//! Errors on their way to JavaScript.

use napi::{Error, Status};

use crate::client::error::ClientError;

/// napi cannot set `err.code` from an async function, so code and message travel as JSON in the reason, and `index.js`
/// makes the error that apps see.
pub(super) fn to_js(error: &ClientError) -> Error {
    Error::new(Status::GenericFailure, reason(error))
}

/// `{"code","message","retryable"}`
pub(super) fn reason(error: &ClientError) -> String {
    serde_json::json!({ "code": error.code(), "message": error.to_string(), "retryable": error.is_retryable() })
        .to_string()
}
