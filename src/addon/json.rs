//! What crosses to JavaScript in JSON: the status, events, and errors.

use napi::{Error, Status};
use serde::Serialize;

use crate::client::error::ClientError;

/// napi cannot set `err.code` from an async function. So the reason holds code and message in JSON, and `index.js`
/// makes the error that apps see.
pub(super) fn to_js(error: &ClientError) -> Error {
    Error::new(Status::GenericFailure, to_json(error))
}

pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it is plain JSON")
}
