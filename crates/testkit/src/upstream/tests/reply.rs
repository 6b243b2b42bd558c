//! Requests to the stand-in without a token, and its replies chunk by chunk.

use crate::http::wire::Wire;
use crate::upstream::Upstream;

/// A `POST /v1/messages` with this body.
pub(super) fn messages(body: &str) -> String {
    post("/v1/messages", body)
}

/// A `POST` with this body.
pub(super) fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: stand-in\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(super) struct Reply {
    pub(super) head: String,
    /// A single one when the response is not chunked.
    pub(super) chunks: Vec<Vec<u8>>,
}

impl Reply {
    pub(super) fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    pub(super) fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a status")
    }
}

pub(super) async fn connect(upstream: &Upstream) -> Wire {
    Wire::connect(&upstream.url()).await
}

pub(super) async fn ask(wire: &mut Wire, request: &str) -> Reply {
    wire.send(request).await;
    let head = wire.head().await;
    let mut chunks = Vec::new();
    if let Some(length) = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()) {
        chunks.push(wire.take(length.parse().expect("a length")).await);
    } else {
        while let Some(chunk) = wire.chunk().await {
            chunks.push(chunk);
        }
    }
    Reply { head, chunks }
}
