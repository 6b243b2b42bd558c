//! The errors of the admin API as HTTP answers. Every handler returns them.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::guard::GuardError;
use crate::service::store::database::StoreError;
use crate::transport::problem::Problem;

#[derive(Debug)]
pub(super) enum AdminError {
    /// The request makes no sense.
    Invalid(String),
    /// The body is longer than so many bytes.
    TooLong(usize),
    Method,
    /// The change is impossible in the current state.
    Conflict(String),
    /// No such device, budget, revocation or route.
    Unknown(&'static str),
    Refused(GuardError),
    /// The head of the request is malformed, or names another host.
    Head(Problem),
    Store(StoreError),
}

/// The body of every error.
// The CLI reads it from older services too: a new field needs `#[serde(default)]`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = FaultBody)]
pub(crate) struct AdminErrorBody {
    /// The error, for programs and for people.
    pub error: AdminErrorDetail,
}

/// What is wrong with the request, or with the service.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = FaultDetail)]
pub(crate) struct AdminErrorDetail {
    /// The stable code of the error, for programs.
    pub code: String,
    /// The error in a sentence, for people.
    pub message: String,
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cursor => Self::Invalid("`cursor` is not the `next` of an earlier page".into()),
            error => Self::Store(error),
        }
    }
}

impl AdminError {
    fn parts(self) -> (StatusCode, &'static str, String, Option<Duration>) {
        match self {
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, "invalid", message, None),
            Self::TooLong(most) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_long", format!("The body exceeds {most} bytes"), None)
            }
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method", "This route has other methods".into(), None),
            Self::Conflict(message) => (StatusCode::CONFLICT, "conflict", message, None),
            Self::Unknown(what) => (StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}"), None),
            Self::Refused(GuardError::Off) => {
                (StatusCode::NOT_FOUND, "off", "The admin API is off: ADMIN_TOKEN is not set".into(), None)
            }
            Self::Refused(GuardError::Wrong) => {
                (StatusCode::UNAUTHORIZED, "unauthorized", "The admin token is missing or wrong".into(), None)
            }
            Self::Refused(GuardError::LockedOut(wait)) => {
                let message = "Too many wrong admin tokens from this address".into();
                (StatusCode::TOO_MANY_REQUESTS, "locked_out", message, Some(wait))
            }
            Self::Head(Problem { code, message, .. }) => {
                let (status, ..) = code.answer();
                (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), code.as_str(), message, None)
            }
            Self::Store(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "The database failed the admin API");
                let message = "The database did not answer; nothing is known to have changed".into();
                (StatusCode::SERVICE_UNAVAILABLE, "store", message, Some(Duration::from_secs(1)))
            }
        }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let (status, code, message, wait) = self.parts();
        let error = AdminErrorDetail { code: code.to_owned(), message };
        let mut response = (status, Json(AdminErrorBody { error })).into_response();
        if let Some(wait) = wait {
            response.headers_mut().insert(RETRY_AFTER, wait.as_secs().max(1).into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The error responses of every route, for the OpenAPI document.
impl IntoResponses for AdminError {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let body = || Content::new(Some(Ref::from_schema_name("FaultBody")));
        let response = |(status, description): (&str, &str)| {
            let response = ResponseBuilder::new().description(description).content("application/json", body());
            (status.to_owned(), response.into())
        };
        ANSWERS.into_iter().map(response).collect()
    }
}

const ANSWERS: [(&str, &str); 8] = [
    ("400", "The request makes no sense; `message` says what is wrong"),
    ("401", "The admin token is missing or wrong"),
    ("403", "The request names a host that the service does not answer to"),
    ("404", "There is no such thing, or the admin API is off"),
    ("409", "It cannot be, as things stand"),
    ("413", "The body is too long"),
    ("429", "Too many wrong admin tokens from this address"),
    ("503", "The database did not answer"),
];
