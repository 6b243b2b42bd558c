//! Checks that a request's head is clear about its host and about where its body ends. Both proxies call it before routing.

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Version};

use super::problem::Problem;
use crate::wire::ErrorCode;

/// Checks what hyper lets pass: a request names one host (RFC 9112 §3.2), and its body has no transfer coding but
/// `chunked` (§6.1). Neither proxy undoes another coding: the encoded bytes would go on as if they were plain.
pub fn check_head(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && version == Version::HTTP_11) {
        return Err(Problem::new(ErrorCode::RequestInvalid, "The request must name one host in `Host`"));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_some_and(|coding| !is_chunked(coding)) || codings.next().is_some() {
        return Err(Problem::new(ErrorCode::RequestInvalid, "The body may have no transfer coding but `chunked`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;

    use super::*;

    fn check(version: Version, pairs: &[(HeaderName, &'static str)]) -> bool {
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        check_head(version, &headers).is_ok()
    }

    #[test]
    fn a22_a_request_names_one_host() {
        assert!(check(Version::HTTP_11, &[(HOST, "a")]));
        assert!(check(Version::HTTP_10, &[]));
        assert!(!check(Version::HTTP_11, &[]));
        assert!(!check(Version::HTTP_11, &[(HOST, "a"), (HOST, "a")]));
    }

    #[test]
    fn a22_a_body_has_no_coding_but_chunked() {
        assert!(check(Version::HTTP_11, &[(HOST, "a"), (TRANSFER_ENCODING, "Chunked")]));
        for coding in ["gzip, chunked", "chunked, chunked", "identity", "gzip", ""] {
            assert!(!check(Version::HTTP_11, &[(HOST, "a"), (TRANSFER_ENCODING, coding)]), "{coding}");
        }
        let twice = [(HOST, "a"), (TRANSFER_ENCODING, "chunked"), (TRANSFER_ENCODING, "chunked")];
        assert!(!check(Version::HTTP_11, &twice));
    }
}
