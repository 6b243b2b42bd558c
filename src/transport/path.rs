//! Checks that a request's target has the one form that is routed, authorised and forwarded, before it is routed.

use std::borrow::Cow;

use http::{Method, Uri};

use super::problem::Problem;
use crate::wire::ErrorCode;

/// Accepts a path of this server in normal form (origin-form, RFC 9112 §3.2.1): no `CONNECT`, no other authority, no
/// empty or dot segment, no percent-encoding, no backslash, no parameter. No route needs any of these, and each has
/// made a proxy and its upstream read one target differently (RFC 3986 §6.2.2). One exception: SDKs encode the brackets in
/// the id of a model for a long context (`/v1/models/claude-opus-5-5%5B1m%5D`).
pub fn check_target(method: &Method, uri: &Uri) -> Result<(), Problem> {
    if *method == Method::CONNECT {
        return Err(Problem::new(ErrorCode::MethodNotAllowed, "CONNECT is not offered: this is no general proxy"));
    }
    if uri.authority().is_some() || uri.scheme().is_some() {
        return Err(Problem::new(ErrorCode::RequestInvalid, "The request line must hold a path, not a whole URL"));
    }
    let path = uri.path();
    if is_normal(path) { Ok(()) } else { Err(Problem::new(ErrorCode::PathInvalid, "The path is not in normal form")) }
}

/// The id of the model in the path of `/v1/models/{id}`, decoded.
#[must_use]
pub fn model_id(path: &str) -> Option<Cow<'_, str>> {
    let id = raw_model_id(path)?;
    Some(without_brackets(id).map_or(Cow::Borrowed(id), |plain| Cow::Owned(format!("{plain}[1m]"))))
}

fn is_normal(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    let path = raw_model_id(path).and_then(|_| without_brackets(path)).unwrap_or(path);
    let Some(segments) = path.strip_prefix('/') else { return false };
    let plain = !path.bytes().any(|byte| matches!(byte, b'%' | b'\\' | b';') || byte.is_ascii_control());
    plain && segments.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

fn raw_model_id(path: &str) -> Option<&str> {
    path.strip_prefix(MODELS).filter(|id| !id.contains('/'))
}

/// What stands before an encoded `[1m]`.
fn without_brackets(text: &str) -> Option<&str> {
    LONG_CONTEXT.iter().find_map(|encoded| text.strip_suffix(encoded))
}

const MODELS: &str = "/v1/models/";

/// `[1m]` with its brackets encoded.
const LONG_CONTEXT: [&str; 4] = ["%5B1m%5D", "%5b1m%5d", "%5B1m%5d", "%5b1m%5D"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a20_other_spellings_of_a_path_are_not_normal() {
        for path in [
            "//v1/messages",
            "/v1//messages",
            "/v1/../admin",
            "/v1/./messages",
            "/v1/%2e%2e/admin",
            "/v1%2fmessages",
            "/v1/%252f",
            "/v1/messages;a=b",
            "/v1\\messages",
            "/v1/messages%00",
            "/v1/messages/",
            "/v1/messages%5B1m%5D",
            "/v1/models%5B1m%5D",
            "/v1/models/%5B1m%5D",
            "/v1/models/..%5B1m%5D",
            "/v1/models/a%5B1m%5D%5B1m%5D",
            "/v1/models/a%5B1m%5D/",
            "/v1/models/a/b%5B1m%5D",
            "/v1/models/a%2f%5B1m%5D",
            "/v1/models/a%5B2m%5D",
            "/v1/models/a%5B%31m%5D",
            "/v1/models/a%5B1M%5D",
            "/v1/models/%61%5B1m%5D",
            "/v1/files/a%5B1m%5D",
            "*",
            "",
        ] {
            assert!(!is_normal(path), "{path}");
        }
    }

    #[test]
    fn the_paths_that_clients_send_are_normal() {
        for path in ["/", "/api/hello", "/v1/messages", "/v1/models/claude-haiku-4-5-20251001", "/v1/models/a[1m]"] {
            assert!(is_normal(path), "{path}");
        }
    }

    #[test]
    fn a_model_for_a_long_context_may_have_its_brackets_encoded() {
        for (path, id) in [
            ("/v1/models/claude-opus-5-5%5B1m%5D", "claude-opus-5-5[1m]"),
            ("/v1/models/claude-opus-5-5%5b1m%5d", "claude-opus-5-5[1m]"),
            ("/v1/models/claude-opus-5-5%5B1m%5d", "claude-opus-5-5[1m]"),
            ("/v1/models/claude-opus-5-5[1m]", "claude-opus-5-5[1m]"),
            ("/v1/models/claude-opus-5-5", "claude-opus-5-5"),
        ] {
            assert!(is_normal(path), "{path}");
            assert_eq!(model_id(path).as_deref(), Some(id), "{path}");
        }
        assert_eq!(model_id("/v1/models"), None);
    }
}
