//! Checks that a request's target has the one form that is routed, authorised and forwarded, before it is routed.

use http::{Method, Uri};

use super::problem::Problem;
use crate::wire::ErrorCode;

/// Accepts a path of this server in normal form (origin-form, RFC 9112 §3.2.1): no `CONNECT`, no other authority, no
/// empty or dot segment, no percent-encoding, no backslash, no parameter. No route needs any of these, and each has
/// made a proxy and its upstream read one target differently (RFC 3986 §6.2.2).
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

fn is_normal(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    let Some(segments) = path.strip_prefix('/') else { return false };
    let plain = !path.bytes().any(|byte| matches!(byte, b'%' | b'\\' | b';') || byte.is_ascii_control());
    plain && segments.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

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
            "*",
            "",
        ] {
            assert!(!is_normal(path), "{path}");
        }
    }

    #[test]
    fn the_paths_that_clients_send_are_normal() {
        for path in ["/", "/api/hello", "/v1/messages", "/v1/models/claude-haiku-4-5-20251001"] {
            assert!(is_normal(path), "{path}");
        }
    }
}
