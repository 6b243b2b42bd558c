//! The threads that serve requests: one event loop and one pool of upstream connections each, so that a request needs
//! nothing from another core.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::service::http::handler::ServiceHandler;
use crate::service::http::tls::Tls;
use crate::transport::serve::{Dispatched, Plain, ServeLimits, serve};
use crate::transport::shutdown::Shutdown;
use crate::transport::upstream::Upstream;

/// Starts worker `number`, which serves TLS if `tls` is given and plain HTTP otherwise. The worker ends with
/// `shutdown`.
pub(crate) fn start(
    number: usize,
    connections: Dispatched,
    tls: Option<Arc<Tls>>,
    handler: ServiceHandler,
    limits: ServeLimits,
    shutdown: Shutdown,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let upstream = handler.upstream().clone();
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        runtime.block_on(async move {
            tokio::select! {
                () = serve_all(connections, tls, handler, limits, shutdown) => {}
                () = tick(&upstream) => {}
            }
        });
    })
}

/// Two servers, so that the plain one does not check for TLS at each read.
async fn serve_all(
    connections: Dispatched,
    tls: Option<Arc<Tls>>,
    handler: ServiceHandler,
    limits: ServeLimits,
    shutdown: Shutdown,
) {
    match tls {
        None => serve(connections, Plain, handler, limits, shutdown).await,
        Some(tls) => serve(connections, tls, handler, limits, shutdown).await,
    }
}

/// Keeps a timer due within a second at all times. The event loop sleeps until its next timer, and registering an
/// earlier one costs two system calls to wake it. Timeouts of requests are longer than a second, so with this timer
/// they never come first. Each tick also drops dead connections.
async fn tick(upstream: &Upstream) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        upstream.drop_dead();
    }
}
