//! A request for a copy, as the service makes it.

use http::request::Parts;
use http::{HeaderMap, Request, Uri};
use url::form_urlencoded;

use crate::transport::headers::strip_request;
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;

/// A client's target, and those of its headers by which the API chooses an answer. Nothing else of the client goes up:
/// it could change what other clients get.
#[derive(Debug, Clone)]
pub(super) struct CopyRequest {
    uri: Uri,
    headers: HeaderMap,
}

/// Everything that a copy depends on.
pub(super) type CopyKey = Vec<u8>;

impl CopyRequest {
    pub(super) fn of(mut client: Parts) -> Self {
        strip_request(&mut client.headers);
        let mut headers = HeaderMap::new();
        for (name, value) in client.headers.iter().filter(|(name, _)| name.as_str().starts_with("anthropic-")) {
            headers.append(name.clone(), value.clone());
        }
        Self { uri: client.uri, headers }
    }

    /// The same request with another query, which is percent-encoded.
    pub(super) fn with_query(&self, query: &str) -> Result<Self, Problem> {
        let uri = Uri::try_from(format!("{}?{query}", self.uri.path()));
        let too_long = |_| Problem::new(ErrorCode::RequestInvalid, "The query is too long");
        Ok(Self { uri: uri.map_err(too_long)?, headers: self.headers.clone() })
    }

    /// Whether the API knows each parameter of the query. Of others a client could invent any number.
    pub(super) fn is_known(&self) -> bool {
        let mut parameters = form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        parameters.all(|(name, value)| match name.as_ref() {
            "limit" | "after_id" | "before_id" => true,
            // SDKs send it.
            "beta" => value == "true",
            _ => false,
        })
    }

    pub(super) fn key(&self) -> CopyKey {
        let mut lines: Vec<_> = self.headers.iter().collect();
        // Lines of one name stay in their order.
        lines.sort_by_key(|(name, _)| name.as_str());
        let mut key = self.uri.to_string().into_bytes();
        for (name, value) in lines {
            key.extend_from_slice(&[b"\n".as_slice(), name.as_str().as_bytes(), b":", value.as_bytes()].concat());
        }
        key
    }

    /// The head of the request, a `GET`.
    pub(super) fn into_parts(self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.uri = self.uri;
        parts.headers = self.headers;
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, lines: &[(&str, &str)]) -> CopyRequest {
        let request = lines.iter().fold(Request::get(target), |request, (name, value)| request.header(*name, *value));
        CopyRequest::of(request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a48_a_query_that_the_api_does_not_know_is_told_from_one_that_it_knows() {
        for query in ["", "?", "?limit=5&after_id=a", "?before_id=a&beta=true", "?li%6dit=5"] {
            assert!(request(&format!("/v1/models{query}"), &[]).is_known(), "{query}");
        }
        for query in ["?x=1", "?limit=5&x", "?beta=1", "?Limit=5"] {
            assert!(!request(&format!("/v1/models{query}"), &[]).is_known(), "{query}");
        }
    }

    #[test]
    fn a43_a_copy_depends_on_everything_of_the_client_that_goes_up() {
        let plain = request("/v1/models?limit=5", &[("anthropic-version", "2023-06-01"), ("anthropic-beta", "a")]);
        let others = [("user-agent", "x"), ("if-none-match", "\"x\""), ("range", "bytes=0-1"), ("cookie", "x")];
        let lines = [("anthropic-beta", "a"), ("anthropic-version", "2023-06-01"), ("anthropic-workspace-id", "w")];
        let same = request("/v1/models?limit=5", &[&others[..], &lines].concat());
        assert_eq!(same.key(), plain.key());
        let mut names: Vec<_> = same.into_parts().headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort_unstable();
        assert_eq!(names, ["anthropic-beta", "anthropic-version"]);
        for (target, lines) in [
            ("/v1/models?limit=6", vec![("anthropic-version", "2023-06-01"), ("anthropic-beta", "a")]),
            ("/v1/models/limit=5", vec![("anthropic-version", "2023-06-01"), ("anthropic-beta", "a")]),
            ("/v1/models?limit=5", vec![("anthropic-version", "2026-10-21"), ("anthropic-beta", "a")]),
            ("/v1/models?limit=5", vec![("anthropic-version", "2023-06-01"), ("anthropic-beta", "b")]),
            ("/v1/models?limit=5", vec![("anthropic-version", "2023-06-01")]),
            (
                "/v1/models?limit=5",
                vec![("anthropic-version", "2023-06-01"), ("anthropic-beta", "a"), ("anthropic-new", "")],
            ),
        ] {
            assert_ne!(request(target, &lines).key(), plain.key(), "{target} {lines:?}");
        }
    }
}
