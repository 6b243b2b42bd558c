//! The body of an upstream's response, which drives the connection it comes over.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::SizeHint;

use super::h1::H1;
use super::h2::H2Body;
use super::pool::ConnectionPool;
use super::read_error::UpstreamReadError;

/// Bytes as the upstream sends them. Small pieces that are ready together come as one, so that they leave in one write.
///
/// Dropped before its end, it closes an HTTP/1.1 connection or resets an HTTP/2 stream, so that the upstream stops
/// working on an answer that has no reader. At its end the connection goes back to the pool.
pub struct UpstreamBody(BodySource);

enum BodySource {
    H1(Box<H1>, Arc<ConnectionPool>),
    H2(H2Body),
    /// The whole body was read.
    Ended,
}

impl UpstreamBody {
    pub(super) fn h1(connection: Box<H1>, pool: Arc<ConnectionPool>) -> Self {
        let mut body = Self(BodySource::H1(connection, pool));
        body.give_back_at_end();
        body
    }

    pub(super) fn h2(body: H2Body) -> Self {
        Self(BodySource::H2(body))
    }

    /// Polls for the next bytes; `None` at the end.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, UpstreamReadError>>> {
        let polled = match &mut self.0 {
            BodySource::H1(connection, _) => connection.poll_body(cx),
            BodySource::H2(body) => body.poll_bytes(cx),
            BodySource::Ended => Poll::Ready(None),
        };
        if polled.is_ready() {
            self.give_back_at_end();
        }
        polled
    }

    /// Whether the whole body was read.
    pub fn is_end(&self) -> bool {
        match &self.0 {
            BodySource::H1(connection, _) => connection.framing.is_end(),
            BodySource::H2(body) => body.is_end(),
            BodySource::Ended => true,
        }
    }

    /// How many bytes are to come, if the upstream announced it.
    pub fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodySource::H1(connection, _) => connection.framing.size_hint(),
            BodySource::H2(body) => body.size_hint(),
            BodySource::Ended => SizeHint::with_exact(0),
        }
    }

    fn give_back_at_end(&mut self) {
        if matches!(&self.0, BodySource::H1(connection, _) if connection.framing.is_end())
            && let BodySource::H1(connection, pool) = std::mem::replace(&mut self.0, BodySource::Ended)
        {
            pool.give_back(connection);
        }
    }
}
