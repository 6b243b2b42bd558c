//! Extractors of the path, the query and the body of an admin request. axum's own extractors answer faults in plain
//! text, which is not the error shape of this API.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::Uri;
use http::request::Parts;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::IntoParams;

use super::fault::Fault;
use crate::service::base::strict_object::ObjectOf;

/// The query. An unknown parameter is refused: a misspelled filter would let everything pass.
pub(super) struct Asked<T>(pub T);

/// The query of a route that takes two sets of parameters.
pub(super) struct AskedBoth<T, U>(pub T, pub U);

pub(super) struct Named<T>(pub T);

/// The body, a JSON object.
pub(super) struct Said<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        refuse_unknown(&parts.uri, &names::<T>())?;
        query(&parts.uri).map(Self)
    }
}

impl<S, T, U> FromRequestParts<S> for AskedBoth<T, U>
where
    S: Send + Sync,
    T: DeserializeOwned + IntoParams,
    U: DeserializeOwned + IntoParams,
{
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        refuse_unknown(&parts.uri, &[names::<T>(), names::<U>()].concat())?;
        Ok(Self(query(&parts.uri)?, query(&parts.uri)?))
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

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Fault> {
    Query::try_from_uri(uri).map(|Query(asked)| asked).map_err(|error| Fault::Invalid(error.body_text()))
}

/// The parameters of `T`, as in the OpenAPI document.
fn names<T: IntoParams>() -> Vec<String> {
    T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect()
}

/// Refuses unknown parameters. serde could do this only if one struct had all parameters of a route.
fn refuse_unknown(uri: &Uri, known: &[String]) -> Result<(), Fault> {
    let query = uri.query().unwrap_or_default();
    let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let Some(name) = names.find(|name| known.iter().all(|known| known != name)) else { return Ok(()) };
    let shown: String = name.chars().filter(|char| !char.is_control()).take(LONGEST_SHOWN).collect();
    Err(Fault::Invalid(format!("There is no parameter `{shown}` here, but {}", known.join(", "))))
}

const LONGEST_SHOWN: usize = 50;
