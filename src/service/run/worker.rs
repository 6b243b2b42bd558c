//! The threads that serve requests: one event loop and one pool of upstream connections each, nothing shared with another
//! core that a request needs.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::service::http::handler::Endpoint;
use crate::service::http::tls::Tls;
use crate::transport::serve::{Plain, ServeLimits, serve};
use crate::transport::shutdown::Shutdown;
use crate::transport::upstream::Upstream;

/// Starts worker `number`, which serves TLS if it is given some and plain HTTP otherwise. It ends with `shutdown`.
///
/// # Errors
/// The system has no thread or no event queue to give.
pub(crate) fn start(
    number: usize,
    listener: std::net::TcpListener,
    tls: Option<Arc<Tls>>,
    endpoint: Endpoint,
    limits: ServeLimits,
    shutdown: Shutdown,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let upstream = endpoint.upstream().clone();
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        runtime.block_on(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => tokio::select! {
                    () = serve_all(listener, tls, endpoint, limits, shutdown) => {}
                    () = tick(&upstream) => {}
                },
                Err(error) => tracing::error!(%error, "A worker cannot listen"),
            }
        });
    })
}

/// Two servers, so that the plain one does not ask at each read whether there is TLS.
async fn serve_all(
    listener: tokio::net::TcpListener,
    tls: Option<Arc<Tls>>,
    endpoint: Endpoint,
    limits: ServeLimits,
    shutdown: Shutdown,
) {
    match tls {
        None => serve(listener, Plain, endpoint, limits, shutdown).await,
        Some(tls) => serve(listener, tls, endpoint, limits, shutdown).await,
    }
}

/// Keeps a timer due within a second at all times, for ever. The event loop sleeps until its next timer; one that is
/// registered for an earlier moment first has to wake it up, which costs two system calls. Limits of requests are longer
/// than a second, so beside this one none of them is the next. What each second is good for besides: dead connections
/// are let go.
async fn tick(upstream: &Upstream) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        upstream.drop_dead();
    }
}
