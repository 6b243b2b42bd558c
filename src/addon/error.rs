//! Turns errors into JavaScript exceptions.

use napi::{Error, Status};

use crate::client::error::ClientError;

/// napi cannot set `err.code` from an async function. So the reason holds code and message as JSON, and `index.js`
/// makes the error that apps see.
pub(super) fn to_js(error: &ClientError) -> Error {
    Error::new(Status::GenericFailure, reason(error))
}

/// The JSON `{"code","message","retryable"}` for a client's error.
pub(super) fn reason(error: &ClientError) -> String {
    serde_json::json!({ "code": error.code(), "message": error.to_string(), "retryable": error.is_retryable() })
        .to_string()
}
