//! Rewrites the address of a batch's results, the only value in an object of the upstream that the service changes.

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;

use crate::service::relay::route::BATCHES;

/// Turns the `results_url` of a batch into a path; nothing else of `body` changes. SDKs fetch that address as it is:
/// the upstream's own one would bypass this service with a token that is worthless there, and a path resolves to this
/// service.
pub(super) fn with_path(body: Bytes) -> Bytes {
    #[derive(Deserialize)]
    struct Batch {
        results_url: Option<String>,
    }
    let Ok(Batch { results_url: Some(address) }) = serde_json::from_slice(&body) else { return body };
    let Some(at) = address.find(BATCHES).filter(|at| *at > 0) else { return body };
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let (whole, path) = (text(&address), text(&address[at..]));
    let Some(at) = memmem::find(&body, whole.as_bytes()) else { return body };
    [&body[..at], path.as_bytes(), &body[at + whole.len()..]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_the_results_becomes_a_path() {
        let upstream = r#"{ "id":"b", "results_url": "https://a.example/x/v1/messages/batches/b/results","n" : 1e2}"#;
        let expected = r#"{ "id":"b", "results_url": "/v1/messages/batches/b/results","n" : 1e2}"#;
        assert_eq!(with_path(upstream.into()), expected);
        for other in [r#"{"results_url":null}"#, "{}", "", r#"{"results_url":"https://a.example/b"}"#, expected] {
            assert_eq!(with_path(other.into()), other);
        }
    }
}
