//! Which headers cross a hop, and which end there. Both proxies call it, once per direction.
//!
//! Both directions have a deny-list: an unknown header passes unchanged, because clients and the API add headers faster
//! than an allow-list could follow.

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::wire::names::{ERROR_HEADER, OWN_HEADER_PREFIX, PROOF_HEADER, PROOF_NONCE_HEADER};

/// Whether to drop the header of this name, which is in lower case.
pub type DropsHeader = fn(&str) -> bool;

/// Removes the headers that must not go up: hop-by-hop headers (RFC 9110 §7.6.1), every credential, those that choose who
/// pays or is meant, forwarding headers, `expect`, `origin` and our own. The caller then sets the next hop's one credential.
pub fn strip_request(headers: &mut HeaderMap) {
    strip(headers, |name| is_hop_by_hop(name) || ends_going_up(name));
}

/// Removes the headers of an upstream's response that must not come down: hop-by-hop headers, those that act on the
/// client's cookies and other state or on a cache in front of us, and those that describe the operator's account.
pub fn strip_upstream_response(headers: &mut HeaderMap) {
    strip(headers, |name| is_hop_by_hop(name) || ends_coming_down(name));
    forbid_keeping(headers);
}

/// Whether a header of an upstream's response ends here, hop-by-hop headers aside. A client of the upstream may drop
/// these as it reads a head ([`Upstream::dropping`](super::upstream::Upstream::dropping)): they are most of it.
#[must_use]
pub fn ends_coming_down(name: &str) -> bool {
    acts_on_browser(name)
        || acts_on_proxy(name)
        || describes_operator(name)
        || is_echoed_credential(name)
        || name.starts_with(OWN_HEADER_PREFIX)
}

/// Whether the body's media type is `kind`, with or without parameters (RFC 9110 §8.3.1).
#[must_use]
pub fn is_media_type(headers: &HeaderMap, kind: &str) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|said| said.as_bytes().split(|byte| *byte == b';').next());
    said.is_some_and(|said| said.trim_ascii().eq_ignore_ascii_case(kind.as_bytes()))
}

/// Adds `no-store` (RFC 9111 §5.2.2.5) unless the response already forbids shared caching. All devices share one
/// upstream key, so a cache in between could otherwise give one device's answer to another.
fn forbid_keeping(headers: &mut HeaderMap) {
    let forbids = |word: &str| ["no-store", "no-cache", "private"].iter().any(|no| word.eq_ignore_ascii_case(no));
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    if !values.flat_map(|value| value.split(',')).any(|word| forbids(word.trim())) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Removes the headers of the service's response that end at the loopback. The service has already removed those that
/// describe the operator; its error code stays, for the app to see.
pub fn strip_service_response(headers: &mut HeaderMap) {
    strip(headers, |name| {
        is_hop_by_hop(name) || acts_on_browser(name) || (name.starts_with(OWN_HEADER_PREFIX) && name != ERROR_HEADER)
    });
}

fn strip(headers: &mut HeaderMap, ends_here: impl Fn(&str) -> bool) {
    if headers.contains_key(CONNECTION) {
        strip_connection_named(headers);
    }
    let ended: Vec<HeaderName> = headers.keys().filter(|name| ends_here(name.as_str())).cloned().collect();
    for name in ended {
        headers.remove(name);
    }
}

/// `Connection` names further headers that end at this hop (RFC 9110 §7.6.1).
fn strip_connection_named(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter(|name| *name != "keep-alive") // most say only this, and it ends here anyway
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "host"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

fn ends_going_up(name: &str) -> bool {
    match name.as_bytes()[0] {
        b'a' => matches!(
            name,
            "authorization" | "anthropic-organization-id" | "anthropic-user-profile-id" | "anthropic-workspace-id"
        ),
        b'c' => name == "cookie",
        b'd' => name == PROOF_HEADER,
        b'e' => name == "expect",
        b'f' => name == "forwarded",
        b'o' => name == "origin",
        b'p' => name.starts_with("proxy-"),
        b'x' => {
            matches!(name, "x-api-key" | "x-real-ip")
                || name.starts_with("x-forwarded-")
                || name.starts_with(OWN_HEADER_PREFIX)
        }
        _ => false,
    }
}

fn acts_on_browser(name: &str) -> bool {
    matches!(name, "set-cookie" | "set-cookie2" | "alt-svc" | "clear-site-data") || name.starts_with("access-control-")
}

/// Caches and web servers obey these before `Cache-Control`, or send another file or URL in place of the answer.
fn acts_on_proxy(name: &str) -> bool {
    matches!(name, "cdn-cache-control" | "x-sendfile" | "x-lighttpd-send-file" | "x-reproxy-url")
        || name.starts_with("x-accel-")
        || name.starts_with("surrogate-")
}

fn describes_operator(name: &str) -> bool {
    matches!(name, "anthropic-organization-id" | "via" | "server" | "proxy-authenticate")
        || name.starts_with("anthropic-ratelimit-")
        || name.starts_with("cf-")
}

/// Some gateways and debugging servers echo a request's headers. An upstream's nonce is of no use to our clients.
fn is_echoed_credential(name: &str) -> bool {
    matches!(name, "authorization" | "x-api-key") || name == PROOF_HEADER || name == PROOF_NONCE_HEADER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn credentials_and_forwarding_headers_end_here() {
        let mut headers = map(&[
            ("authorization", "Bearer a"),
            ("x-api-key", "a"),
            ("cookie", "a=b"),
            ("dpop", "a.b.c"),
            ("proxy-authorization", "Basic a"),
            ("anthropic-organization-id", "o"),
            ("anthropic-user-profile-id", "u"),
            ("anthropic-workspace-id", "w"),
            ("forwarded", "for=1"),
            ("x-forwarded-for", "1"),
            ("x-real-ip", "1"),
            ("expect", "100-continue"),
            ("origin", "null"),
            ("x-valetkey-error", "internal"),
            ("anthropic-beta", "new-thing-2027"),
            ("anthropic-beta", "other"),
            ("x-claude-code-session-id", "s"),
            ("x-stainless-retry-count", "0"),
            ("accept-encoding", "gzip"),
        ]);
        strip_request(&mut headers);
        assert_eq!(
            names(&headers),
            ["accept-encoding", "anthropic-beta", "x-claude-code-session-id", "x-stainless-retry-count"]
        );
        assert_eq!(headers.get_all("anthropic-beta").iter().count(), 2);
    }

    #[test]
    fn a26_connection_names_further_headers_that_end_here() {
        let mut headers =
            map(&[("connection", "close, x-private"), ("x-private", "1"), ("te", "trailers"), ("x-kept", "1")]);
        strip_request(&mut headers);
        assert_eq!(names(&headers), ["x-kept"]);
    }

    #[test]
    fn a42_an_upstream_cannot_act_on_the_client_or_show_the_account() {
        let mut headers = map(&[
            ("set-cookie", "a"),
            ("access-control-allow-origin", "*"),
            ("alt-svc", "h3"),
            ("dpop-nonce", "n"),
            ("clear-site-data", "*"),
            ("anthropic-organization-id", "o"),
            ("anthropic-ratelimit-requests-limit", "1"),
            ("cf-ray", "1"),
            ("via", "1.1"),
            ("server", "s"),
            ("x-valetkey-error", "token_expired"),
            ("x-api-key", "canary"),
            ("authorization", "Bearer canary"),
            ("request-id", "req_1"),
            ("retry-after", "3"),
            ("content-type", "text/event-stream"),
        ]);
        strip_upstream_response(&mut headers);
        assert_eq!(names(&headers), ["cache-control", "content-type", "request-id", "retry-after"]);
    }

    #[test]
    fn a43_no_cache_in_between_may_keep_an_answer_whatever_the_upstream_says() {
        for (said, expected) in [
            (None, "no-store"),
            (Some(""), "no-store"),
            (Some("public, max-age=3600"), "no-store"),
            (Some("s-maxage=60, stale-while-revalidate=60"), "no-store"),
            (Some("max-age=60, private=\"x-a\""), "no-store"),
            (Some("not-no-store"), "no-store"),
            (Some("no-cache"), "no-cache"),
            (Some("max-age=0, Private"), "max-age=0, Private"),
            (Some("no-store, max-age=60"), "no-store, max-age=60"),
        ] {
            let mut headers = map(&[
                ("cdn-cache-control", "max-age=60"),
                ("surrogate-control", "max-age=60"),
                ("surrogate-key", "all"),
                ("x-accel-expires", "3600"),
                ("x-accel-redirect", "/internal/of-somebody-else"),
                ("x-sendfile", "/etc/passwd"),
            ]);
            if let Some(said) = said {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(said));
            }
            strip_upstream_response(&mut headers);
            assert_eq!(names(&headers), ["cache-control"], "{said:?}");
            let values: Vec<_> = headers.get_all(CACHE_CONTROL).iter().collect();
            assert_eq!(values, [expected], "{said:?}");
        }
    }

    #[test]
    fn the_loopback_keeps_the_services_own_headers() {
        let mut headers =
            map(&[("x-valetkey-error", "token_expired"), ("anthropic-ratelimit-unified-status", "rejected")]);
        strip_service_response(&mut headers);
        assert_eq!(headers.len(), 2);
    }
}
