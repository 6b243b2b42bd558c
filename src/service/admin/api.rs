//! The admin listener: `/admin` for administrators with the admin token, and `/metrics`. It is separate from the
//! clients' listener, and by default only this machine reaches it.

mod actor;
mod audit;
mod breaker;
mod budgets;
mod devices;
mod error;
mod extract;
mod guard;
mod leak_responder;
mod listener;
mod revocations;
mod settings;
mod state;
mod tokens;
mod trail;
mod usage;
mod view;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::net::TcpListener;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::actor::{ACTOR_HEADER, may_be_called};
pub(crate) use self::devices::{DeviceChange, LimitsView};
use self::error::AdminError;
pub(crate) use self::error::{AdminErrorBody, AdminErrorDetail};
use self::guard::Guard;
pub(crate) use self::leak_responder::Responder;
use self::listener::AdminListener;
pub(crate) use self::listener::{speaks_tls_at, tls_at};
pub(crate) use self::revocations::RevocationRequest;
pub use self::settings::SettingsInForce;
pub(crate) use self::state::AdminState;
pub(crate) use self::tokens::MintRequest;
use crate::secret::Secret;
use crate::service::http::allowed_hosts::HostCheck;
use crate::service::telemetry::metrics::MEDIA_TYPE;
use crate::transport::request_head::check_head;

#[derive(Debug, Clone)]
pub struct AdminConfig {
    pub address: SocketAddr,
    /// Where `/metrics` is served alone, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// `ADMIN_TOKEN` at the start; without it the admin API is off.
    pub token: Option<Secret>,
    /// How long requests are served while the revocations cannot be read.
    pub max_staleness: Duration,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "valetkey admin API",
        description = "Governs the devices, tokens, budgets and usage of a valetkey service. Every request needs \
`Authorization: Bearer` with the admin token. One that may change something may say in `x-admin-actor` who makes it, in up to \
64 printable characters; the name is not checked, and is in the audit trail behind `admin/`."
    ),
    components(schemas(AdminErrorBody)),
    modifiers(&AdminToken),
    security(("admin_token" = []))
)]
struct Document;

/// The security scheme in the OpenAPI document.
struct AdminToken;

impl Modify for AdminToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("admin_token", bearer);
    }
}

/// Serves `/admin` and `/metrics` until it is dropped: plain HTTP on loopback, and TLS beyond it if the clients' listener
/// has TLS. Without a token `/admin` is off.
pub(crate) async fn serve(listener: TcpListener, admin_state: AdminState) {
    serve_routes(listener, router(admin_state.clone()), &admin_state).await;
}

/// Serves `/metrics` alone, likewise.
pub(crate) async fn serve_metrics(listener: TcpListener, admin_state: AdminState) {
    let routes = metrics_router().fallback(|| async { AdminError::Unknown("route") });
    serve_routes(listener, routes.with_state(admin_state.clone()), &admin_state).await;
}

async fn serve_routes(listener: TcpListener, routes: Router, admin_state: &AdminState) {
    // A socket that does not know its address counts as one on loopback, which is checked.
    let address = listener.local_addr().unwrap_or_else(|_| (Ipv4Addr::LOCALHOST, 0).into());
    let hosts = HostCheck::at(address, &admin_state.hosts);
    let routes = routes.layer(from_fn_with_state(hosts, addressed));
    // The tap does nothing; axum gives the routes of our own listener the peer's address only through a tap.
    let listener = AdminListener::new(listener, admin_state.tls.as_ref()).tap_io(|_| {});
    let served = axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>());
    if let Err(error) = served.await {
        tracing::error!(%error, %address, "A listener of administrators ended");
    }
}

fn router(admin_state: AdminState) -> Router {
    let (admin, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(devices::list))
        .routes(routes!(devices::get, devices::change, devices::delete))
        .routes(routes!(revocations::list, revocations::add))
        .routes(routes!(revocations::delete))
        .routes(routes!(budgets::list))
        .routes(routes!(budgets::get, budgets::set, budgets::remove))
        .routes(routes!(tokens::mint))
        .routes(routes!(tokens::inspect))
        .routes(routes!(usage::sums))
        .routes(routes!(usage::requests))
        .routes(routes!(audit::list))
        .routes(routes!(breaker::list))
        .split_for_parts();
    let document = Arc::new(document);
    let admin = admin
        .route("/admin/openapi.json", get(move || async move { Json(document.as_ref().clone()) }))
        .route("/admin/config", get(config))
        .fallback(|| async { AdminError::Unknown("route") })
        .method_not_allowed_fallback(|| async { AdminError::Method })
        .layer(from_fn_with_state(admin_state.clone(), trail::keep))
        .layer(from_fn_with_state(Arc::new(Guard::new(Arc::clone(&admin_state.token))), guarded));
    metrics_router().merge(admin).with_state(admin_state)
}

fn metrics_router() -> Router<AdminState> {
    Router::new().route("/metrics", get(metrics))
}

/// Refuses a request with a malformed head or for another host.
async fn addressed(State(hosts): State<HostCheck>, request: Request, next: Next) -> Response {
    let judged = check_head(&request).and_then(|host| hosts.check(host));
    match judged {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            tracing::warn!(%problem, "Refused an admin request");
            ([(CACHE_CONTROL, "no-store")], AdminError::Head(problem)).into_response()
        }
    }
}

async fn guarded(
    State(guard): State<Arc<Guard>>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match guard.check(source.ip(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => {
            tracing::warn!(source = %source.ip(), path = request.uri().path(), ?refused, "Refused an admin request");
            AdminError::Refused(refused).into_response()
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

/// The page of all parts for Prometheus. It needs no token and shows nothing of single devices.
async fn metrics(State(admin_state): State<AdminState>) -> Response {
    ([(CONTENT_TYPE, MEDIA_TYPE)], admin_state.metrics.text()).into_response()
}

async fn config(State(admin_state): State<AdminState>) -> Json<SettingsInForce> {
    Json(SettingsInForce::clone(&admin_state.settings.load()))
}
