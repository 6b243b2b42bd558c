//! Proves that a pooled connection still reaches the other side before a request goes over it.
//!
//! A laptop sleeps and changes its networks, and its open connections are then dead without notice. A request that is
//! written to one is lost, so after a pause a `HEAD` request goes first, which asks for nothing. A new connection that
//! opens before the answer comes takes the old one's place.

use std::pin::pin;
use std::time::Duration;

use http::Request;
use http::header::HOST;
use tokio::time::timeout;

use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::{ConnectError, Connection};
use crate::transport::origin::Origin;

/// When a pooled connection is proved, and by which request.
#[derive(Debug, Clone, Copy)]
pub struct ProbeRule {
    /// The idle time from which on a connection is proved.
    pub after: Duration,
    /// A path that the other side answers to `HEAD` at once, without a credential.
    pub path: &'static str,
}

impl ProbeRule {
    pub(super) fn request(&self, origin: &Origin) -> Request<BufferedBody> {
        let request = Request::head(self.path).header(HOST, origin.authority());
        request.body(BufferedBody::default()).expect("the rule's path is a path")
    }
}

/// What a request goes over after a probe.
pub(super) enum Proven<T> {
    /// The pooled connection, which answered.
    Pooled(T),
    /// A new connection; the pooled one is dead or slower to answer than this one was to open.
    New(Connection),
}

/// Waits for `probe`, which gives the connection back when it was answered, and after a while for `connect` too.
pub(super) async fn proven<T>(
    probe: impl Future<Output = Option<T>>,
    connect: impl Future<Output = Result<Connection, ConnectError>>,
) -> Result<Proven<T>, ConnectError> {
    let mut probe = pin!(probe);
    match timeout(HEAD_START, probe.as_mut()).await {
        Ok(Some(pooled)) => return Ok(Proven::Pooled(pooled)),
        Ok(None) => return connect.await.map(Proven::New),
        Err(_) => {}
    }
    tokio::select! {
        biased;
        Some(pooled) = probe => Ok(Proven::Pooled(pooled)),
        opened = connect => opened.map(Proven::New),
    }
}

/// How long the probe alone is waited for: a round trip to the other side of the world.
const HEAD_START: Duration = Duration::from_millis(300);
