//! Describes, for machines, what this service accepts.

use serde_json::{Value, json};

use super::auth::TokenPolicy;
use super::config::{BatchesAndFiles, Enrolment, Listen};
use super::router::{ObjectRoute, RelayRoute};
use crate::wire::PROTOCOL_VERSION;
use crate::wire::names::{
    BOOTSTRAP_PATH, ERROR_HEADER, HEALTH_PATH, READY_PATH, REFRESH_PATH, REQUEST_ID_HEADER, SHOULD_RETRY_HEADER,
    TOKEN_EXPIRED_HEADER, TOKEN_PREFIX,
};

/// The answer to `GET /protocol`.
#[must_use]
pub(super) fn describe(
    listen: &Listen,
    tokens: &TokenPolicy,
    enrolment: &Enrolment,
    objects: &BatchesAndFiles,
) -> Value {
    let mut routes = RelayRoute::ALL.map(RelayRoute::name).to_vec();
    if objects.offered {
        routes.extend(ObjectRoute::ALL.map(ObjectRoute::name));
    }
    json!({
        "name": "valetkey",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol_version": PROTOCOL_VERSION,
        "bootstrap": { "path": BOOTSTRAP_PATH, "mode": enrolment.mode.as_str() },
        "refresh": { "path": REFRESH_PATH },
        "health": { "live": HEALTH_PATH, "ready": READY_PATH },
        "token": {
            "prefix": TOKEN_PREFIX,
            "lifetime_seconds": tokens.lifetime.as_secs(),
            "accepted_in": ["authorization", "x-api-key"],
        },
        "routes": routes,
        "max_payload_bytes": listen.max_payload,
        "max_batch_bytes": objects.offered.then_some(objects.max_batch),
        "max_file_bytes": objects.offered.then_some(objects.max_file),
        "headers": {
            "error": ERROR_HEADER,
            "token_expired": TOKEN_EXPIRED_HEADER,
            "should_retry": SHOULD_RETRY_HEADER,
            "request_id": REQUEST_ID_HEADER,
        },
    })
}
