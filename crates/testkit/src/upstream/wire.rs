//! The bytes of one HTTP/1.1 connection: the socket, and the bytes read ahead.

use std::io;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// TCP with or without TLS.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The TCP connection under the socket.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A socket with a read buffer.
pub(super) struct Wire<S> {
    socket: S,
    /// The bytes that were read and are not yet used.
    pub(super) ahead: BytesMut,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// An orderly close of the connection.
    Close,
    /// FIN, without the `close_notify` of TLS.
    Fin,
    Reset,
}

impl<S: Socket> Wire<S> {
    pub(super) fn new(socket: S) -> Self {
        Self { socket, ahead: BytesMut::with_capacity(READ_AHEAD) }
    }

    /// Reads more into [`Wire::ahead`], and tells whether the peer is still there.
    pub(super) async fn read_ahead(&mut self) -> io::Result<bool> {
        self.ahead.reserve(READ_AHEAD / 4);
        Ok(self.socket.read_buf(&mut self.ahead).await? > 0)
    }

    /// As [`Wire::read_ahead`], where the end of the connection is an error.
    pub(super) async fn read_more(&mut self) -> io::Result<()> {
        if self.read_ahead().await? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads past the buffer: at least one byte and at most `limit`. Returns how many.
    pub(super) async fn read_into(&mut self, bytes: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        let read = self.socket.read_buf(&mut bytes.limit(limit)).await?;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await?;
        self.socket.flush().await
    }

    /// Waits for `event`; fails at once when the peer leaves before it. A next request is read ahead meanwhile.
    pub(super) async fn wait(&mut self, event: impl Future<Output = ()> + Send) -> io::Result<()> {
        let left = async {
            while self.read_ahead().await? {}
            Err(io::ErrorKind::UnexpectedEof.into())
        };
        tokio::select! {
            biased;
            left = left => left, // reads are cancel-safe: the bytes read are in the buffer
            () = event => Ok(()),
        }
    }

    pub(super) async fn end(mut self, ending: Ending) {
        // An error here means that the peer has gone already.
        let said = match ending {
            Ending::Close => self.socket.shutdown().await,
            Ending::Fin => SockRef::from(self.socket.tcp()).shutdown(std::net::Shutdown::Write),
            Ending::Reset => {
                let _ = self.socket.tcp().set_zero_linger();
                return;
            }
        };
        if said.is_ok() {
            self.drain().await;
        }
    }

    /// Reads until the peer closes too. Closing with unread bytes would send RST, which can destroy the answer on its
    /// way: RFC 9112, section 9.6.
    async fn drain(mut self) {
        let drain = async {
            while let Ok(true) = self.read_ahead().await {
                self.ahead.clear();
            }
        };
        let _ = tokio::time::timeout(LINGER, drain).await;
    }
}

const READ_AHEAD: usize = 16 * 1024;
const LINGER: Duration = Duration::from_secs(2);
