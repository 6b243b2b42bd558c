//! Extractors of the path, the query and the body of an admin request. axum's own extractors answer faults in plain
//! text, which is not the error shape of this API.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::Uri;
use http::request::Parts;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::IntoParams;

use super::error::AdminError;
use crate::service::base::strict_object::StrictObject;

/// The query. An unknown parameter is refused: a misspelled filter would let everything pass.
pub(super) struct QueryParams<T>(pub T);

/// The query of a route that takes two sets of parameters.
pub(super) struct QueryPair<T, U>(pub T, pub U);

pub(super) struct PathParams<T>(pub T);

/// The body, a JSON object.
pub(super) struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for QueryParams<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        refuse_unknown(&parts.uri, &names::<T>())?;
        query(&parts.uri).map(Self)
    }
}

impl<S, T, U> FromRequestParts<S> for QueryPair<T, U>
where
    S: Send + Sync,
    T: DeserializeOwned + IntoParams,
    U: DeserializeOwned + IntoParams,
{
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        refuse_unknown(&parts.uri, &[names::<T>(), names::<U>()].concat())?;
        Ok(Self(query(&parts.uri)?, query(&parts.uri)?))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathParams<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let named = Path::<T>::from_request_parts(parts, state).await;
        named.map(|Path(named)| Self(named)).map_err(|error| AdminError::Invalid(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        let said = Json::<StrictObject<T>>::from_request(request, state).await;
        said.map(|Json(StrictObject(said))| Self(said)).map_err(|error| AdminError::Invalid(error.body_text()))
    }
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, AdminError> {
    Query::try_from_uri(uri).map(|Query(asked)| asked).map_err(|error| AdminError::Invalid(error.body_text()))
}

/// The parameters of `T`, as in the OpenAPI document.
fn names<T: IntoParams>() -> Vec<String> {
    T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect()
}

/// Refuses unknown parameters. serde could do this only if one struct had all parameters of a route.
fn refuse_unknown(uri: &Uri, known: &[String]) -> Result<(), AdminError> {
    let query = uri.query().unwrap_or_default();
    let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let Some(name) = names.find(|name| known.iter().all(|known| known != name)) else { return Ok(()) };
    let shown: String = name.chars().filter(|char| !char.is_control()).take(LONGEST_SHOWN).collect();
    Err(AdminError::Invalid(format!("There is no parameter `{shown}` here, but {}", known.join(", "))))
}

const LONGEST_SHOWN: usize = 50;
