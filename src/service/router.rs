//! All routes on one page.

use http::Method;
use http::header::{ALLOW, HeaderValue};

use crate::transport::problem::Problem;
use crate::wire::ErrorCode;
use crate::wire::names::{BOOTSTRAP_PATH, HEALTH_PATH, PROTOCOL_PATH, READY_PATH, REFRESH_PATH};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A first token.
    Bootstrap,
    /// A newer token.
    Refresh,
    /// Whether the process lives.
    Health,
    /// Whether it takes requests.
    Ready,
    /// What it accepts.
    Protocol,
    /// The start-up probe of Claude Code.
    Hello,
    /// A request for the upstream.
    Relay(RelayRoute),
}

/// A request that is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RelayRoute {
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `GET /v1/models`
    Models,
    /// `GET /v1/models/{id}`
    Model,
}

impl RelayRoute {
    /// Whether it counts as a request of its device: counting tokens and listing models costs nobody anything.
    #[must_use]
    pub(super) fn is_charged(self) -> bool {
        self == Self::Messages
    }

    /// The route as logs and `/protocol` name it.
    #[must_use]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Messages => "POST /v1/messages",
            Self::CountTokens => "POST /v1/messages/count_tokens",
            Self::Models => "GET /v1/models",
            Self::Model => "GET /v1/models/{id}",
        }
    }

    /// Whether the body names a model.
    #[must_use]
    pub(super) fn names_model(self) -> bool {
        matches!(self, Self::Messages | Self::CountTokens)
    }

    /// Whether the response states what it used.
    #[must_use]
    pub(super) fn is_metered(self) -> bool {
        self == Self::Messages
    }

    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Messages, Self::CountTokens, Self::Models, Self::Model];
}

/// Finds the route of a request whose path is in normal form. Everything that is not listed is denied: one key serves
/// many devices, and most of the API acts on what belongs to the key.
///
/// # Errors
/// A [`Problem`] with 404 or 405.
pub(super) fn route(method: &Method, path: &str) -> Result<Route, Problem> {
    let (route, allowed): (Route, &[Method]) = match path {
        BOOTSTRAP_PATH => (Route::Bootstrap, &[Method::POST]),
        REFRESH_PATH => (Route::Refresh, &[Method::POST]),
        HEALTH_PATH => (Route::Health, &[Method::GET, Method::HEAD]),
        READY_PATH => (Route::Ready, &[Method::GET, Method::HEAD]),
        PROTOCOL_PATH => (Route::Protocol, &[Method::GET, Method::HEAD]),
        "/" | "/api/hello" => (Route::Hello, &[Method::HEAD, Method::GET]),
        "/v1/messages" => (Route::Relay(RelayRoute::Messages), &[Method::POST]),
        "/v1/messages/count_tokens" => (Route::Relay(RelayRoute::CountTokens), &[Method::POST]),
        "/v1/models" => (Route::Relay(RelayRoute::Models), &[Method::GET]),
        _ if is_model(path) => (Route::Relay(RelayRoute::Model), &[Method::GET]),
        _ => return Err(Problem::new(ErrorCode::RouteUnknown, "No such route, or not offered through this service")),
    };
    if allowed.contains(method) {
        return Ok(route);
    }
    let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    let mut problem = Problem::new(ErrorCode::MethodNotAllowed, format!("This route takes {}", names.join(" or ")));
    // RFC 9110 §15.5.6 wants it.
    problem.headers.push((ALLOW, HeaderValue::from_str(&names.join(", ")).expect("methods are plain ASCII")));
    Err(problem)
}

fn is_model(path: &str) -> bool {
    path.strip_prefix("/v1/models/").is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a31_what_is_not_listed_is_denied() {
        for path in [
            "/v1",
            "/v1/files",
            "/v1/messages/batches",
            "/v1/organizations/me",
            "/v1/models/a/b",
            "/admin",
            "/V1/messages",
        ] {
            assert_eq!(route(&Method::POST, path).unwrap_err().code, ErrorCode::RouteUnknown, "{path}");
        }
    }

    #[test]
    fn a_listed_route_takes_its_methods_only() {
        assert_eq!(route(&Method::POST, "/v1/messages").unwrap(), Route::Relay(RelayRoute::Messages));
        assert_eq!(route(&Method::HEAD, "/").unwrap(), Route::Hello);
        for (method, path) in
            [(Method::GET, "/v1/messages"), (Method::DELETE, "/v1/models/a"), (Method::GET, "/bootstrap")]
        {
            assert_eq!(route(&method, path).unwrap_err().code, ErrorCode::MethodNotAllowed, "{method} {path}");
        }
        let refused = route(&Method::POST, "/healthz").unwrap_err();
        assert_eq!(refused.headers, [(ALLOW, HeaderValue::from_static("GET, HEAD"))]);
    }
}
