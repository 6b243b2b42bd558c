//! A client that sees every byte: one TCP connection, written and read by hand.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::upstream::Upstream;

/// A `POST /v1/messages` with this body.
pub(super) fn messages(body: &str) -> String {
    post("/v1/messages", body)
}

/// A `POST` with this body.
pub(super) fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: stand-in\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(super) struct Peer {
    socket: TcpStream,
    ahead: Vec<u8>,
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

impl Peer {
    pub(super) async fn connect(upstream: &Upstream) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", upstream.port())).await.expect("the server listens");
        Self { socket, ahead: Vec::new() }
    }

    pub(super) async fn ask(&mut self, request: &str) -> Reply {
        self.send(request).await;
        let head = self.head().await;
        let mut chunks = Vec::new();
        if let Some(length) = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()) {
            chunks.push(self.take(length.parse().expect("a length")).await);
        } else {
            while let Some(chunk) = self.chunk().await {
                chunks.push(chunk);
            }
        }
        Reply { head, chunks }
    }

    pub(super) async fn send(&mut self, bytes: &str) {
        self.socket.write_all(bytes.as_bytes()).await.expect("the server reads");
    }

    /// The next head, with its empty line.
    pub(super) async fn head(&mut self) -> String {
        self.until(b"\r\n\r\n").await
    }

    /// The next chunk; `None` for the last.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.until(b"\r\n").await;
        let size = usize::from_str_radix(line.trim_end(), 16).expect("a chunk's size");
        let mut chunk = self.take(size + 2).await;
        assert_eq!(chunk.split_off(size), b"\r\n");
        (size > 0).then_some(chunk)
    }

    /// Asserts that no more bytes come, and returns the error with which the connection ends, if any.
    pub(super) async fn end(&mut self) -> Option<ErrorKind> {
        match self.socket.read_buf(&mut self.ahead).await {
            Ok(_) => {
                assert_eq!(String::from_utf8_lossy(&self.ahead), "");
                None
            }
            Err(error) => Some(error.kind()),
        }
    }

    async fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.ahead, end) {
                return String::from_utf8(self.take(at + end.len()).await).expect("text");
            }
            self.fill().await;
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            self.fill().await;
        }
        let rest = self.ahead.split_off(length);
        std::mem::replace(&mut self.ahead, rest)
    }

    async fn fill(&mut self) {
        let read = self.socket.read_buf(&mut self.ahead).await.expect("the server writes");
        assert!(read > 0, "the connection ended after {:?}", String::from_utf8_lossy(&self.ahead));
    }
}
