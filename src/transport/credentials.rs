//! Reads the credential headers of a request. Clients send one of the two, or both.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use memchr::memchr3;

/// The credential headers of a request.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// The token in `Authorization: Bearer` (RFC 6750 §2.1).
    pub bearer: Option<&'a str>,
    /// The value of `x-api-key`, which SDKs send for an API key.
    pub api_key: Option<&'a str>,
}

/// Why the credential headers cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialError {
    /// A header came twice: one reader would take the first, another the last (RFC 9110 §5.3).
    Repeated,
    /// `Authorization` is not `Bearer` with one token, or a value is not visible ASCII.
    NotBearer,
}

impl<'a> Credentials<'a> {
    /// Reads both headers; a missing one is `None`.
    pub fn read(headers: &'a HeaderMap) -> Result<Self, CredentialError> {
        let bearer = single(headers, &AUTHORIZATION)?.map(bearer_token).transpose()?;
        Ok(Self { bearer, api_key: single(headers, &API_KEY)? })
    }

    /// Reads both headers; one that is missing or cannot be read is `None`. The error is a header that came twice.
    pub fn read_usable(headers: &'a HeaderMap) -> Result<Self, CredentialError> {
        let bearer = usable(single(headers, &AUTHORIZATION))?.and_then(|value| bearer_token(value).ok());
        Ok(Self { bearer, api_key: usable(single(headers, &API_KEY))? })
    }
}

fn usable(value: Result<Option<&str>, CredentialError>) -> Result<Option<&str>, CredentialError> {
    match value {
        Err(CredentialError::NotBearer) => Ok(None),
        value => value,
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, CredentialError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(CredentialError::Repeated);
    }
    // A header value has no control characters, so ASCII is visible ASCII. `to_str` would look at each byte by itself.
    let text = str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii());
    text.map(Some).ok_or(CredentialError::NotBearer)
}

fn bearer_token(value: &str) -> Result<&str, CredentialError> {
    let (scheme, token) = value.split_once(' ').ok_or(CredentialError::NotBearer)?;
    let token = token.trim_start_matches(' ');
    let single = !token.is_empty() && memchr3(b' ', b',', b'\t', token.as_bytes()).is_none();
    if scheme.eq_ignore_ascii_case("bearer") && single { Ok(token) } else { Err(CredentialError::NotBearer) }
}

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
