//! What a request of the admin API names in its path, asks in its query and says in its body, or the fault that says what is wrong there.
//! The extractors of axum answer in plain text, which is not the shape that this API promises.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::fault::Fault;
use crate::service::object_of::ObjectOf;

/// The query.
pub(super) struct Asked<T>(pub T);

/// What the path names.
pub(super) struct Named<T>(pub T);

/// The body, an object.
pub(super) struct Said<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let asked = Query::<T>::try_from_uri(&parts.uri);
        asked.map(|Query(asked)| Self(asked)).map_err(|error| Fault::Invalid(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let named = Path::<T>::from_request_parts(parts, state).await;
        named.map(|Path(named)| Self(named)).map_err(|error| Fault::Invalid(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Said<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let said = Json::<ObjectOf<T>>::from_request(request, state).await;
        said.map(|Json(ObjectOf(said))| Self(said)).map_err(|error| Fault::Invalid(error.body_text()))
    }
}
