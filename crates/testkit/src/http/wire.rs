//! A client that sees every byte: one connection, written and read by hand.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection: TCP, or TLS that the caller has opened.
pub struct Wire<S = TcpStream> {
    socket: S,
    ahead: Vec<u8>,
}

/// A response as it was written.
#[derive(Debug)]
pub struct Response {
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a status")
    }

    /// The first value under this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ &str| line.split_once(": ").is_some_and(|(own, _)| own == name);
        self.head.split("\r\n").find(line)?.split_once(": ").map(|(_, value)| value)
    }
}

/// How a connection ended: in order, or with an error.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset(ErrorKind),
}

impl Wire {
    /// Connects to the server at `url`.
    pub async fn connect(url: &str) -> Self {
        Self::try_connect(url).await.expect("the server listens")
    }

    pub async fn try_connect(url: &str) -> std::io::Result<Self> {
        let socket = TcpStream::connect(url.strip_prefix("http://").expect("a plain address")).await?;
        socket.set_nodelay(true)?;
        Ok(Self::over(socket))
    }

    /// Connects, sends `request` and reads the response.
    pub async fn ask(url: &str, request: impl AsRef<[u8]>) -> Response {
        let mut wire = Self::connect(url).await;
        wire.send(request).await;
        wire.response().await
    }

    /// Closes the connection with RST.
    pub fn reset(self) {
        self.socket.set_zero_linger().expect("the socket is open");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A wire over an open socket.
    pub fn over(socket: S) -> Self {
        Self { socket, ahead: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the server reads");
    }

    /// As [`Wire::send`], where the server may have closed already.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.socket.write_all(bytes.as_ref()).await?;
        self.socket.flush().await
    }

    /// The next whole response; panics when none comes within 10 s.
    pub async fn response(&mut self) -> Response {
        let head = self.head().await;
        let head = Response { head, body: Vec::new() };
        let body = match head.header("content-length") {
            Some(length) => self.take(length.parse().expect("a length")).await,
            None if head.header("transfer-encoding").is_some() => self.chunks().await,
            None => Vec::new(),
        };
        Response { body, ..head }
    }

    /// The next head, with its empty line.
    pub async fn head(&mut self) -> String {
        String::from_utf8(self.until(b"\r\n\r\n").await).expect("text")
    }

    /// The next chunk; `None` for the last.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.until(b"\r\n").await;
        let size = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim_end(), 16).ok());
        let size = size.expect("a chunk's size");
        let mut chunk = self.take(size + 2).await;
        assert_eq!(chunk.split_off(size), b"\r\n");
        (size > 0).then_some(chunk)
    }

    /// Reads to the end, and returns the bytes and how the connection ended. Panics when it does not end within 10 s.
    pub async fn rest(mut self) -> (Vec<u8>, End) {
        let read = async {
            loop {
                match self.socket.read_buf(&mut self.ahead).await {
                    Ok(0) => return End::Closed,
                    Ok(_) => {}
                    Err(error) => return End::Reset(error.kind()),
                }
            }
        };
        let end = tokio::time::timeout(PATIENCE, read).await.expect("the connection ends within 10 s");
        (self.ahead, end)
    }

    /// Reads until `what` has come, and returns everything up to its end.
    pub async fn until(&mut self, what: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = memchr::memmem::find(&self.ahead, what) {
                return self.take(at + what.len()).await;
            }
            self.fill().await;
        }
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await {
            body.extend(chunk);
        }
        body
    }

    /// The next bytes.
    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            self.fill().await;
        }
        let rest = self.ahead.split_off(length);
        std::mem::replace(&mut self.ahead, rest)
    }

    async fn fill(&mut self) {
        let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.ahead)).await;
        let read = read.expect("bytes within 10 s").expect("the server writes");
        assert!(read > 0, "the connection ended after {:?}", String::from_utf8_lossy(&self.ahead));
    }
}

/// `POST /v1/messages` with a token and this body.
pub fn messages(token: &str, body: &str) -> String {
    post("/v1/messages", token, &[], body)
}

/// A `POST` with a token, further header lines and this body.
pub fn post(target: &str, token: &str, lines: &[&str], body: &str) -> String {
    let lines = lines.iter().map(|line| format!("{line}\r\n")).collect::<Vec<_>>().concat();
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{lines}content-length: {length}\r\n\r\n{body}"
    )
}

const PATIENCE: Duration = Duration::from_secs(10);
