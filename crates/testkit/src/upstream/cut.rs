//! The bad end of an answer.

/// How a connection ends in the middle of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// TCP's orderly end, and over TLS no `close_notify` before it.
    Fin,
    /// TCP's RST. Bytes written just before may be lost on the way, as in real life.
    Reset,
    /// HTTP/2: only this stream is reset. On HTTP/1.1 the same as [`Cut::Fin`].
    Stream,
}
