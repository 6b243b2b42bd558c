//! Writes a request: its head, and its body as it comes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Method;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use hyper::body::Body;
use tokio::io::AsyncWrite;

use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::Stream;
use crate::transport::upstream::read_error::UpstreamReadError;

/// The part of a request that is not written yet.
pub(super) struct Outgoing {
    /// The rest of the head, or of the framing between two chunks.
    lead: Bytes,
    body: BufferedBody,
    /// Bytes of the body (of the chunk, if it is chunked) that are announced and not yet written.
    announced: u64,
    framing: OutgoingFraming,
    /// Whether a byte of the request may have been written.
    pub(super) written: bool,
}

/// How the upstream learns where the body ends (RFC 9112 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutgoingFraming {
    /// By `Content-Length` in the head.
    Length,
    /// By chunks, and the first one is still to come.
    FirstChunk,
    /// By chunks, at least one of which was written.
    NextChunk,
    /// The body's end is in `lead` or written.
    Ended,
}

impl Outgoing {
    pub(super) fn new(head: &Parts, body: BufferedBody) -> Self {
        let length = body.size_hint().exact();
        let framing = if length.is_some() { OutgoingFraming::Length } else { OutgoingFraming::FirstChunk };
        Self { lead: encode(head, length), body, announced: length.unwrap_or(0), framing, written: false }
    }

    /// The body, if not one byte of the request was written.
    pub(super) fn into_unsent(self) -> Option<BufferedBody> {
        (!self.written).then_some(self.body)
    }

    /// Writes as much as the connection takes; ready when the whole request is written.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), UpstreamReadError>> {
        loop {
            if self.lead.is_empty() && (self.announced == 0 || self.body.is_waiting()) {
                match self.poll_more(cx) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) => return Pin::new(stream).poll_flush(cx).map_err(UpstreamReadError::Io),
                    Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                    Poll::Pending => {
                        // A TLS stream may still buffer bytes that it has accepted.
                        ready!(Pin::new(stream).poll_flush(cx))?;
                        return Poll::Pending;
                    }
                }
            }
            // TLS may write some of the bytes and then report an error.
            self.written |= matches!(stream, Stream::Right(_));
            let mut slices = [IoSlice::new(&[]); MOST_SLICES];
            let used = self.fill(&mut slices);
            let written = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..used]));
            match written? {
                0 => return Poll::Ready(Err(UpstreamReadError::Io(io::ErrorKind::WriteZero.into()))),
                written => self.advance(written),
            }
        }
    }

    /// Waits for more to write; false at the request's end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, UpstreamReadError>> {
        match self.framing {
            OutgoingFraming::Ended => return Poll::Ready(Ok(false)),
            OutgoingFraming::Length if self.announced == 0 => {
                self.framing = OutgoingFraming::Ended;
                return Poll::Ready(Ok(false));
            }
            _ => {}
        }
        let here = ready!(self.body.poll_here(cx)).map_err(|_| UpstreamReadError::Request)?;
        match (self.framing, here) {
            // The body is shorter than announced.
            (OutgoingFraming::Length, 0) => return Poll::Ready(Err(UpstreamReadError::Request)),
            (OutgoingFraming::Length, _) => return Poll::Ready(Ok(true)),
            (OutgoingFraming::FirstChunk, 0) => self.lead = Bytes::from_static(b"0\r\n\r\n"),
            (_, 0) => self.lead = Bytes::from_static(b"\r\n0\r\n\r\n"),
            (OutgoingFraming::FirstChunk, size) => self.lead = format!("{size:x}\r\n").into(),
            (_, size) => self.lead = format!("\r\n{size:x}\r\n").into(),
        }
        self.announced = here;
        self.framing = if here == 0 { OutgoingFraming::Ended } else { OutgoingFraming::NextChunk };
        Poll::Ready(Ok(true))
    }

    /// Fills `slices` with the next bytes to write.
    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; MOST_SLICES]) -> usize {
        let lead = (!self.lead.is_empty()).then_some(&self.lead);
        let body = self.body.here().take(if self.announced == 0 { 0 } else { MOST_SLICES });
        let mut used = 0;
        for (slice, bytes) in slices.iter_mut().zip(lead.into_iter().chain(body)) {
            *slice = IoSlice::new(bytes);
            used += 1;
        }
        used
    }

    fn advance(&mut self, written: usize) {
        self.written = true;
        let of_lead = written.min(self.lead.len());
        self.lead.advance(of_lead);
        self.announced -= (written - of_lead) as u64;
        self.body.advance(written - of_lead);
    }
}

/// Encodes the head (RFC 9112 §3, §5). Framing headers follow from the body alone, never from the client's head.
fn encode(head: &Parts, length: Option<u64>) -> Bytes {
    let mut bytes = Vec::with_capacity(USUAL_HEAD);
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    for part in [head.method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    for (name, value) in &head.headers {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend_from_slice(part);
            }
        }
    }
    // A method that expects a body announces an empty one too (RFC 9110 §8.6).
    let says_length = || {
        let expects_body = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
        expects_body || head.headers.contains_key(CONTENT_LENGTH)
    };
    match length {
        None => bytes.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Some(length) if length > 0 || says_length() => {
            bytes.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        }
        Some(_) => {}
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.into()
}

/// The bytes to reserve: most heads of coding agents fit.
const USUAL_HEAD: usize = 2048;

/// Slices of one vectored write. A body of 76 kB arrives in about ten pieces.
const MOST_SLICES: usize = 32;
