//! Finds a response's body among the bytes of its connection (RFC 9112 §6, §7.1).

use bytes::{Buf, Bytes, BytesMut};
use httparse::Status;
use hyper::body::SizeHint;

use crate::transport::upstream::Cut;

/// How much of a body is to come, as far as its framing tells.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// Everything until the connection is closed.
    UntilClosed,
}

/// A place in a chunked body.
#[derive(Debug)]
pub(super) enum Chunks {
    /// In front of a chunk's size.
    Size,
    /// In a chunk's data, of which so much is left.
    Data(u64),
    /// Behind a chunk's data.
    DataEnd,
    /// In the trailers, of which so many bytes were read.
    Trailers(usize),
    /// Behind the last byte.
    End,
}

impl Framing {
    /// The front of a chunked body.
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunks::Size)
    }

    /// Whether nothing more belongs to the body.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::End))
    }

    /// Whether `bytes` are known to hold all that is to come.
    pub(super) fn is_all_in(&self, bytes: &[u8]) -> bool {
        matches!(self, Self::Length(left) if *left <= bytes.len() as u64)
    }

    /// How much is to come, if that is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Length(left) => SizeHint::with_exact(*left),
            Self::Chunked(Chunks::End) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }

    /// The connection was closed: ends what ends with it.
    ///
    /// # Errors
    /// [`Cut::Closed`] when there should be more.
    pub(super) fn close(&mut self) -> Result<(), Cut> {
        match self {
            Self::UntilClosed => {
                *self = Self::Length(0);
                Ok(())
            }
            framing if framing.is_end() => Ok(()),
            _ => Err(Cut::Closed),
        }
    }

    /// Takes all of the body that is in `bytes` off their front; empty when there is none of it yet.
    ///
    /// # Errors
    /// [`Cut::Syntax`]
    pub(super) fn take(&mut self, bytes: &mut BytesMut) -> Result<Bytes, Cut> {
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
    /// The data of all chunks in `bytes` as one piece: in place, each chunk's is moved up to that of the one before.
    fn take(&mut self, bytes: &mut BytesMut) -> Result<Bytes, Cut> {
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
                // What came before it is good, and it will still be wrong the next time.
                Err(cut) if start == end => return Err(cut),
                Ok(None) | Err(_) => break,
            }
        }
        bytes.advance(start);
        let data = bytes.split_to(end - start).freeze();
        bytes.advance(at - end);
        Ok(data)
    }

    /// Reads one piece of framing and answers its length; `None` when it is incomplete, or at the end.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<usize>, Cut> {
        match self {
            Self::Size => match httparse::parse_chunk_size(bytes) {
                Ok(Status::Complete((used, size))) if is_size_line(&bytes[..used]) => {
                    *self = if size == 0 { Self::Trailers(0) } else { Self::Data(size) };
                    Ok(Some(used))
                }
                Ok(Status::Partial) if bytes.len() <= LONGEST_SIZE => Ok(None),
                _ => Err(Cut::Syntax("a chunk's size is malformed")),
            },
            Self::DataEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    *self = Self::Size;
                    Ok(Some(2))
                }
                [b'\r'] => Ok(None),
                _ => Err(Cut::Syntax("a chunk is longer than its size")),
            },
            Self::Trailers(read) => {
                let Some(line) = memchr::memchr(b'\n', bytes) else {
                    let within = *read + bytes.len() <= LONGEST_TRAILERS;
                    return if within { Ok(None) } else { Err(Cut::Syntax("the trailers are too long")) };
                };
                *read += line + 1;
                if matches!(bytes[..line], [] | [b'\r']) {
                    *self = Self::End;
                } else if *read > LONGEST_TRAILERS {
                    return Err(Cut::Syntax("the trailers are too long"));
                }
                Ok(Some(line + 1))
            }
            Self::Data(_) | Self::End => Ok(None),
        }
    }
}

/// The parser takes a line without a digit as a zero, and line feeds in extensions.
fn is_size_line(line: &[u8]) -> bool {
    line[0].is_ascii_hexdigit() && memchr::memchr(b'\n', line) == Some(line.len() - 1)
}

/// A chunk's size with its extensions, which nobody uses.
const LONGEST_SIZE: usize = 4 * 1024;

/// Trailers are read over: they end at this hop.
const LONGEST_TRAILERS: usize = 16 * 1024;

#[cfg(test)]
mod tests;
