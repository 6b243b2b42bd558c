//! The routes of the service on one page. The handler asks for the route of each request; an unlisted path is a 404.

use http::Method;
use http::header::{ALLOW, HeaderValue};

use crate::service::relay::route::{ObjectRoute, RelayRoute};
use crate::transport::problem::Problem;
use crate::wire::ErrorCode;
use crate::wire::names::{BOOTSTRAP_PATH, HEALTH_PATH, PROTOCOL_PATH, READY_PATH, REFRESH_PATH};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Bootstrap,
    Refresh,
    /// Whether the process lives (`/healthz`).
    Health,
    /// Whether the process takes requests (`/readyz`).
    Ready,
    /// The description for machines (`/protocol`).
    Protocol,
    /// The start-up probe of Claude Code.
    Hello,
    Relay(RelayRoute),
}

impl Route {
    /// The name in error reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bootstrap => "POST /bootstrap",
            Self::Refresh => "POST /refresh",
            Self::Health => "GET /healthz",
            Self::Ready => "GET /readyz",
            Self::Protocol => "GET /protocol",
            Self::Hello => "HEAD /",
            Self::Relay(route) => route.name(),
        }
    }
}

/// Finds the route of a request whose path is in normal form. Batches and files exist only if `with_objects`. Unlisted
/// routes are denied: one key serves many devices, and most of the API acts on everything that belongs to the key. A
/// [`Problem`] is a 404 or 405.
pub(crate) fn route(method: &Method, path: &str, with_objects: bool) -> Result<Route, Problem> {
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
        _ if with_objects && !ObjectRoute::at(path).is_empty() => return object_route(method, path),
        _ => return Err(Problem::new(ErrorCode::RouteUnknown, "No such route, or not offered through this service")),
    };
    if allowed.contains(method) {
        return Ok(route);
    }
    Err(not_allowed(allowed.iter().map(Method::as_str)))
}

fn object_route(method: &Method, path: &str) -> Result<Route, Problem> {
    let routes = ObjectRoute::at(path);
    let route = routes.iter().find(|route| route.takes(method));
    let route = route.ok_or_else(|| not_allowed(routes.iter().map(|route| route.method())))?;
    Ok(Route::Relay(RelayRoute::Object(*route)))
}

fn not_allowed<'a>(methods: impl Iterator<Item = &'a str>) -> Problem {
    let names: Vec<_> = methods.collect();
    let mut problem = Problem::new(ErrorCode::MethodNotAllowed, format!("This route takes {}", names.join(" or ")));
    // RFC 9110 §15.5.6 requires `Allow`.
    problem.headers.push((ALLOW, HeaderValue::from_str(&names.join(", ")).expect("methods are plain ASCII")));
    problem
}

fn is_model(path: &str) -> bool {
    path.strip_prefix("/v1/models/").is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a31_an_unlisted_path_is_denied() {
        for path in [
            "/v1",
            "/v1/files",
            "/v1/messages/batches",
            "/v1/organizations/me",
            "/v1/models/a/b",
            "/admin",
            "/V1/messages",
        ] {
            assert_eq!(route(&Method::POST, path, false).unwrap_err().code, ErrorCode::RouteUnknown, "{path}");
        }
    }

    #[test]
    fn a31_below_batches_and_files_only_listed_routes_are_offered() {
        for path in [
            "/v1/messages/batches/msgbatch_1/result",
            "/v1/messages/batches/msgbatch_1/results/1",
            "/v1/messages/batchesmsgbatch_1",
            "/v1/messages/batches/msgbatch_1/cancel/x",
            "/v1/files/file_1/contents",
            "/v1/files/file_1/content/x",
            "/v1/filesystem",
        ] {
            assert_eq!(route(&Method::GET, path, true).unwrap_err().code, ErrorCode::RouteUnknown, "{path}");
        }
        for (method, path) in [
            (Method::PUT, "/v1/files"),
            (Method::POST, "/v1/files/file_1"),
            (Method::DELETE, "/v1/files/file_1/content"),
            (Method::GET, "/v1/messages/batches/msgbatch_1/cancel"),
            (Method::HEAD, "/v1/messages/batches/msgbatch_1/results"),
        ] {
            assert_eq!(route(&method, path, true).unwrap_err().code, ErrorCode::MethodNotAllowed, "{method} {path}");
            assert_eq!(route(&method, path, false).unwrap_err().code, ErrorCode::RouteUnknown, "{method} {path}");
        }
    }

    #[test]
    fn each_route_of_batches_and_files_is_found_by_its_name() {
        for object in ObjectRoute::ALL {
            let (method, path) = object.name().split_once(' ').unwrap();
            let found = route(&method.parse().unwrap(), &path.replace("{id}", "a_1"), true).unwrap();
            assert_eq!(found, Route::Relay(RelayRoute::Object(object)));
            let expected = if path.contains("{id}") { "{id}" } else { "" };
            assert_eq!(object.id_in(path), expected, "{path}");
        }
    }

    #[test]
    fn a_listed_route_takes_only_its_methods() {
        assert_eq!(route(&Method::POST, "/v1/messages", true).unwrap(), Route::Relay(RelayRoute::Messages));
        assert_eq!(route(&Method::HEAD, "/", true).unwrap(), Route::Hello);
        for (method, path) in
            [(Method::GET, "/v1/messages"), (Method::DELETE, "/v1/models/a"), (Method::GET, "/bootstrap")]
        {
            assert_eq!(route(&method, path, true).unwrap_err().code, ErrorCode::MethodNotAllowed, "{method} {path}");
        }
        let refused = route(&Method::POST, "/healthz", false).unwrap_err();
        assert_eq!(refused.headers, [(ALLOW, HeaderValue::from_static("GET, HEAD"))]);
    }
}
