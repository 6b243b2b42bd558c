//! Finds a response's body among the bytes of its connection (RFC 9112 §6, §7.1). Fails on framing that is not certain.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use httparse::Status;
use hyper::body::SizeHint;

use crate::transport::upstream::read_error::UpstreamReadError;

/// Where the body ends (RFC 9112 §6.3), and how much of it is to come.
#[derive(Debug)]
pub(crate) enum Framing {
    /// `Content-Length`: this many bytes are left (§6.2).
    Length(u64),
    /// `Transfer-Encoding: chunked`: chunks of announced sizes (§7.1).
    Chunked(Chunks),
    /// The body ends when the upstream closes the connection (§6.3, rule 8).
    UntilClosed,
}

/// The position in a chunked body (RFC 9112 §7.1).
#[derive(Debug)]
pub(crate) enum Chunks {
    /// In front of `chunk-size`.
    Size,
    /// In `chunk-data`, of which this many bytes are left.
    Data(u64),
    /// At the CRLF behind `chunk-data`.
    DataEnd,
    /// In the trailer section, of which this many bytes were read.
    Trailers(usize),
    /// Behind the final CRLF.
    End,
}

impl Framing {
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::End))
    }

    /// Whether `bytes` are known to hold the whole rest of the body.
    pub(super) fn is_all_in(&self, bytes: &[u8]) -> bool {
        matches!(self, Self::Length(left) if *left <= bytes.len() as u64)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Length(left) => SizeHint::with_exact(*left),
            Self::Chunked(Chunks::End) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }

    /// Handles the end of the connection: a body without framing is complete, any other is cut off (RFC 9112 §8).
    pub(crate) fn close(&mut self) -> Result<(), UpstreamReadError> {
        match self {
            Self::UntilClosed => {
                *self = Self::Length(0);
                Ok(())
            }
            framing if framing.is_end() => Ok(()),
            _ => Err(UpstreamReadError::Closed),
        }
    }

    /// Takes all of the body that is in `bytes` off their front; empty if there is none yet.
    pub(crate) fn take(&mut self, bytes: &mut BytesMut) -> Result<Bytes, UpstreamReadError> {
        match self {
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= here as u64;
                Ok(bytes.split_to(here).freeze())
            }
            Self::Chunked(chunks) => chunks.take(bytes),
            Self::UntilClosed => Ok(bytes.split().freeze()),
        }
    }
}

impl Chunks {
    /// The data of all chunks in `bytes` as one piece, made in place: each chunk's data moves up to the one before.
    fn take(&mut self, bytes: &mut BytesMut) -> Result<Bytes, UpstreamReadError> {
        let (mut start, mut end, mut at) = (0, 0, 0);
        while at < bytes.len() {
            if let Self::Data(left) = self {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                if start == end {
                    (start, end) = (at, at + here);
                } else {
                    bytes.copy_within(at..at + here, end);
                    end += here;
                }
                at += here;
                *left -= here as u64;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            match self.step(&bytes[at..]) {
                Ok(Some(used)) => at += used,
                // Return the data in front of the error first; the next call finds the error again.
                Err(cut) if start == end => return Err(cut),
                Ok(None) | Err(_) => break,
            }
        }
        bytes.advance(start);
        let data = bytes.split_to(end - start).freeze();
        bytes.advance(at - end);
        Ok(data)
    }

    /// Reads one piece of framing and returns its length; `None` if it is incomplete, or at the body's end.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<usize>, UpstreamReadError> {
        match self {
            Self::Size => match httparse::parse_chunk_size(bytes) {
                Ok(Status::Complete((used, size))) if is_size_line(&bytes[..used]) => {
                    *self = if size == 0 { Self::Trailers(0) } else { Self::Data(size) };
                    Ok(Some(used))
                }
                Ok(Status::Partial) if bytes.len() <= LONGEST_SIZE => Ok(None),
                _ => Err(UpstreamReadError::Syntax("a chunk's size is malformed")),
            },
            Self::DataEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    *self = Self::Size;
                    Ok(Some(2))
                }
                [b'\r'] => Ok(None),
                _ => Err(UpstreamReadError::Syntax("a chunk is longer than its size")),
            },
            Self::Trailers(read) => {
                let Some(line) = memchr::memchr(b'\n', bytes) else {
                    let within = *read + bytes.len() <= LONGEST_TRAILERS;
                    return if within { Ok(None) } else { Err(UpstreamReadError::Syntax("the trailers are too long")) };
                };
                // These lines end with CRLF, other than those of a head (RFC 9112 §2.2, §7.1).
                let field = bytes[..line].strip_suffix(b"\r").filter(|field| field.is_empty() || is_field(field));
                let field = field.ok_or(UpstreamReadError::Syntax("a trailer is malformed"))?;
                *read += line + 1;
                if field.is_empty() {
                    *self = Self::End;
                } else if *read > LONGEST_TRAILERS {
                    return Err(UpstreamReadError::Syntax("the trailers are too long"));
                }
                Ok(Some(line + 1))
            }
            Self::Data(_) | Self::End => Ok(None),
        }
    }
}

/// Refuses what the parser accepts: a line without a digit, as a zero, and line feeds in extensions (RFC 9112 §7.1.1).
fn is_size_line(line: &[u8]) -> bool {
    line[0].is_ascii_hexdigit() && memchr::memchr(b'\n', line) == Some(line.len() - 1)
}

/// Whether a line without its CRLF is a field (RFC 9112 §5): a token, a colon directly behind it, and a value without control
/// characters. A folded line is none (§5.2).
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    HeaderName::from_bytes(&line[..colon]).is_ok() && HeaderValue::from_bytes(&line[colon + 1..]).is_ok()
}

/// The longest `chunk-size` line with its extensions, which no known upstream sends (RFC 9112 §7.1.1).
const LONGEST_SIZE: usize = 4 * 1024;

/// The longest trailer section. It is discarded, because trailers end at this hop (RFC 9112 §7.1.2).
const LONGEST_TRAILERS: usize = 16 * 1024;

#[cfg(test)]
mod tests;
