//! Requests byte by byte, for bytes that an HTTP library would not send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Raw(TcpStream);

/// An answer read from a raw connection.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    pub async fn connect(url: &str) -> Self {
        Self(TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap())
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The other side may have closed already; its answer is read all the same.
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Reads all that comes until the other side closes; panics after 10 s.
    pub async fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        let read = async {
            let mut piece = [0; 16 * 1024];
            while let Ok(length @ 1..) = self.0.read(&mut piece).await {
                bytes.extend_from_slice(&piece[..length]);
            }
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("the end within 10 s");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads until `text` has come; panics after 10 s, and when the connection ends before.
    pub async fn read_until(&mut self, text: &str) -> String {
        let mut bytes = Vec::new();
        let read = async {
            let mut piece = [0; 16 * 1024];
            while !String::from_utf8_lossy(&bytes).contains(text) {
                match self.0.read(&mut piece).await {
                    Ok(length @ 1..) => bytes.extend_from_slice(&piece[..length]),
                    _ => panic!("ended before {text:?}: {}", String::from_utf8_lossy(&bytes)),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("the text within 10 s");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn into_inner(self) -> TcpStream {
        self.0
    }
}

/// Sends one request with `connection: close` in it, or one that the server must close upon, and splits the answer.
pub async fn exchange(url: &str, request: impl AsRef<[u8]>) -> RawAnswer {
    let mut raw = Raw::connect(url).await;
    raw.send(request).await;
    let text = raw.read_to_end().await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
    RawAnswer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
