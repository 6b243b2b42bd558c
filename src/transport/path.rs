//! Whether a request names its target in the one form that is routed, authorised and forwarded.

use http::{Method, Uri};

use super::problem::Problem;
use crate::wire::ErrorCode;

/// Checks that a request asks for a plain path of this server, spelled in normal form: no other authority, no empty or
/// dot segment, no percent-encoding, no backslash. No route here needs any of them, and each has let a proxy and its
/// upstream disagree about what was asked.
///
/// # Errors
/// A [`Problem`] that names what is wrong.
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
    fn the_paths_that_clients_send_are() {
        for path in ["/", "/api/hello", "/v1/messages", "/v1/models/claude-haiku-4-5-20251001"] {
            assert!(is_normal(path), "{path}");
        }
    }
}
