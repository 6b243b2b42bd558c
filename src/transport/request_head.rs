//! Checks that a request's head is not too long, and clear about its host and about where its body ends. Both proxies call
//! it before routing.

use http::header::{CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Version};

use super::named_host::NamedHost;
use super::problem::Problem;
use crate::wire::ErrorCode;

/// Checks what hyper lets pass: a request has a head of 64 KiB at most, however it arrives, and names one host, which can be
/// one (RFC 9112 §3.2); its body has no transfer coding but `chunked` (§6.1). Neither proxy undoes another coding: the
/// encoded bytes would go on as if they were plain. Returns the host; only a request of HTTP/1.0 has none.
pub fn check_head<B>(request: &Request<B>) -> Result<Option<NamedHost<'_>>, Problem> {
    let fields = Fields::of(request.headers());
    if line_length(request) + fields.length > LONGEST_HEAD {
        let message = format!("The request line and the headers exceed {LONGEST_HEAD} bytes together");
        return Err(Problem::new(ErrorCode::HeadTooLarge, message));
    }
    if fields.hosts > 1 || (fields.hosts == 0 && request.version() == Version::HTTP_11) {
        return Err(Problem::new(ErrorCode::RequestInvalid, "The request must name one host in `Host`"));
    }
    let host = fields.host.map(|host| NamedHost::parse(host.as_bytes()).ok_or_else(no_host)).transpose()?;
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if fields.codings > 1 || fields.coding.is_some_and(|coding| !is_chunked(coding)) {
        return Err(Problem::new(ErrorCode::RequestInvalid, "The body may have no transfer coding but `chunked`"));
    }
    Ok(host)
}

/// The fields of a head as far as they are judged, found in one pass.
#[derive(Default)]
struct Fields<'a> {
    /// With one space behind each colon and CRLF behind each line.
    length: usize,
    hosts: usize,
    host: Option<&'a HeaderValue>,
    codings: usize,
    coding: Option<&'a HeaderValue>,
}

impl<'a> Fields<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            fields.length += name.as_str().len() + value.len() + ": \r\n".len();
            if *name == HOST {
                (fields.hosts, fields.host) = (fields.hosts + 1, Some(value));
            } else if *name == TRANSFER_ENCODING {
                (fields.codings, fields.coding) = (fields.codings + 1, Some(value));
            }
        }
        fields
    }
}

fn no_host() -> Problem {
    Problem::new(ErrorCode::RequestInvalid, "`Host` must be a host such as a.example or a.example:8080")
}

/// The length of the request line and of the line that ends the head.
fn line_length<B>(request: &Request<B>) -> usize {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    request.method().as_str().len() + target + "  HTTP/1.1\r\n".len() + "\r\n".len()
}

/// In bytes. Real heads have a few thousand; what a corporate gateway adds makes some of them several times as long.
pub(super) const LONGEST_HEAD: usize = 64 * 1024;

/// Checks that the body of a request says that it is JSON. A web page can send such a request to another origin only
/// after a preflight, which is refused (WHATWG Fetch §2.2.2, CORS-safelisted request-header); text it sends unasked.
pub fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers.get(CONTENT_TYPE).map_or(b"".as_slice(), HeaderValue::as_bytes);
    let without_parameters = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
    if without_parameters.trim_ascii().eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::BodyInvalid, "The body must be JSON and say so: `content-type: application/json`"))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn check(version: Version, pairs: &[(HeaderName, &'static str)]) -> bool {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for (name, value) in pairs {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        check_head(&request).is_ok()
    }

    #[test]
    fn f74_the_length_of_a_head_counts_each_of_its_bytes() {
        let head = |longer: usize| {
            let request =
                Request::post("/v1/messages?beta=true").header(HOST, "a").header("x-a", "1").header("x-a", "2");
            request.header("x-long", "x".repeat(longer)).body(()).unwrap()
        };
        let written = "POST /v1/messages?beta=true HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nx-a: 2\r\nx-long: \r\n\r\n".len();
        let room = LONGEST_HEAD - written;
        assert!(check_head(&head(room)).is_ok());
        assert_eq!(check_head(&head(room + 1)).unwrap_err().code, ErrorCode::HeadTooLarge);
    }

    #[test]
    fn a22_a_request_names_one_host() {
        assert!(check(Version::HTTP_11, &[(HOST, "a")]));
        assert!(check(Version::HTTP_10, &[]));
        assert!(!check(Version::HTTP_11, &[]));
        assert!(!check(Version::HTTP_11, &[(HOST, "a"), (HOST, "a")]));
    }

    #[test]
    fn a59_a_request_with_a_malformed_host_is_refused_in_every_version() {
        for host in ["", "a b", "a/b", "user@a", ":0", "[::1", "a:65536"] {
            assert!(!check(Version::HTTP_11, &[(HOST, host)]), "{host}");
            assert!(!check(Version::HTTP_10, &[(HOST, host)]), "{host}");
        }
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

    #[test]
    fn a60_only_a_body_that_says_so_is_json() {
        let check = |media_type: &'static str| {
            let headers: HeaderMap = [(CONTENT_TYPE, HeaderValue::from_static(media_type))].into_iter().collect();
            check_json(&headers).is_ok()
        };
        for media_type in
            ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;"]
        {
            assert!(check(media_type), "{media_type}");
        }
        for media_type in
            ["", "text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "json"]
        {
            assert!(!check(media_type), "{media_type}");
        }
        assert!(check_json(&HeaderMap::new()).is_err());
    }
}
