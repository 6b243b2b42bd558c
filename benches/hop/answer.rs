//! Reads one answer off a connection and compares it, byte by byte, with what must come.
//!
//! Written by hand to be light: the load shares two cores with what it measures.

use std::sync::Arc;

use memchr::memchr;

/// The body that the answer must have.
pub enum Expected {
    /// Exactly these bytes, however they are framed.
    Body(Arc<[u8]>),
    /// Any body; its bytes are collected.
    Anything(Vec<u8>),
}

/// An answer that is being read.
pub struct Answer {
    expected: Expected,
    /// Bytes of the body so far.
    length: usize,
    head: Vec<u8>,
    state: State,
}

/// Why an answer is rejected.
pub type Wrong = String;

enum State {
    Head,
    Length(usize),
    Chunks(Chunk),
    Done,
}

/// Where in the chunked framing the next byte stands (RFC 9112 §7.1).
#[derive(Clone, Copy)]
enum Chunk {
    Size(usize),
    Data(usize),
    /// The bytes of a line end that are still to come, and whether it is the last one.
    LineEnd(usize, bool),
}

impl Answer {
    /// An answer of which no byte has come yet.
    pub fn new(expected: Expected) -> Self {
        Self { expected, length: 0, head: Vec::new(), state: State::Head }
    }

    /// Takes the bytes that were read; true when the answer is complete and as expected.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, Wrong> {
        if matches!(self.state, State::Head) {
            // Nearly always the head comes whole, in the first read.
            let before = self.head.len();
            self.head.extend_from_slice(bytes);
            let Some((length, state)) = read_head(&self.head)? else { return Ok(false) };
            self.state = state;
            bytes = &bytes[length - before..];
        }
        match self.state {
            State::Length(left) => bytes = self.feed_length(bytes, left)?,
            State::Chunks(chunk) => bytes = self.feed_chunks(bytes, chunk)?,
            State::Head | State::Done => {}
        }
        if !matches!(self.state, State::Done) {
            return Ok(false);
        }
        match &self.expected {
            _ if !bytes.is_empty() => Err(format!("{} bytes after its end", bytes.len())),
            Expected::Body(expected) if expected.len() != self.length => {
                Err(format!("{} bytes of body, {} expected", self.length, expected.len()))
            }
            _ => Ok(true),
        }
    }

    /// The body, if it was collected.
    pub fn into_body(self) -> Vec<u8> {
        match self.expected {
            Expected::Anything(body) => body,
            Expected::Body(body) => body.to_vec(),
        }
    }

    fn feed_length<'a>(&mut self, bytes: &'a [u8], left: usize) -> Result<&'a [u8], Wrong> {
        let (data, rest) = bytes.split_at(left.min(bytes.len()));
        self.take(data)?;
        let left = left - data.len();
        self.state = if left == 0 { State::Done } else { State::Length(left) };
        Ok(rest)
    }

    fn feed_chunks<'a>(&mut self, mut bytes: &'a [u8], mut chunk: Chunk) -> Result<&'a [u8], Wrong> {
        while let Some(&byte) = bytes.first() {
            let used = match chunk {
                Chunk::LineEnd(1, true) => {
                    self.state = State::Done;
                    return Ok(&bytes[1..]);
                }
                Chunk::LineEnd(left, last) => {
                    chunk = if left > 1 { Chunk::LineEnd(left - 1, last) } else { Chunk::Size(0) };
                    1
                }
                // The size's own line end, and after the last chunk the one that ends the body.
                Chunk::Size(0) if byte == b'\r' => {
                    chunk = Chunk::LineEnd(3, true);
                    1
                }
                Chunk::Size(size) => {
                    chunk = match byte {
                        b'\r' => Chunk::Size(size),
                        b'\n' => Chunk::Data(size),
                        digit => Chunk::Size(size * 16 + hex(digit)?),
                    };
                    1
                }
                Chunk::Data(left) => {
                    let data = &bytes[..left.min(bytes.len())];
                    self.take(data)?;
                    chunk = if data.len() == left { Chunk::LineEnd(2, false) } else { Chunk::Data(left - data.len()) };
                    data.len()
                }
            };
            bytes = &bytes[used..];
        }
        self.state = State::Chunks(chunk);
        Ok(bytes)
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Wrong> {
        let end = self.length + data.len();
        match &mut self.expected {
            Expected::Body(expected) if expected.get(self.length..end) != Some(data) => {
                return Err(format!("its body differs within bytes {} to {end}", self.length));
            }
            Expected::Body(_) => {}
            Expected::Anything(body) => body.extend_from_slice(data),
        }
        self.length = end;
        Ok(())
    }
}

/// The head's length and how the body is framed, once the head is whole.
fn read_head(bytes: &[u8]) -> Result<Option<(usize, State)>, Wrong> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(parsed) = response.parse(bytes) else { return Err("it is not HTTP/1.1".into()) };
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    if response.code != Some(200) {
        let line = &bytes[..memchr(b'\r', bytes).unwrap_or(bytes.len())];
        return Err(String::from_utf8_lossy(line).into_owned());
    }
    let header = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    if header("transfer-encoding").is_some_and(|header| header.value == b"chunked") {
        return Ok(Some((length, State::Chunks(Chunk::Size(0)))));
    }
    let value = header("content-length").and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    let left = value.ok_or("neither a length nor chunks")?;
    Ok(Some((length, if left == 0 { State::Done } else { State::Length(left) })))
}

fn hex(digit: u8) -> Result<usize, Wrong> {
    let value = char::from(digit).to_digit(16).ok_or_else(|| format!("{digit:#x} in a chunk's size"))?;
    usize::try_from(value).map_err(|error| error.to_string())
}

const MAX_HEADERS: usize = 64;
