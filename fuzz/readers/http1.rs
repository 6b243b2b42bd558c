//! The head and the framing of an upstream's HTTP/1.1 response.

use bytes::BytesMut;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use hyper::ext::ReasonPhrase;

use super::pieces::same_in_pieces;
use crate::transport::upstream::UpstreamReadError;
use crate::transport::upstream::h1::framing::Framing;
use crate::transport::upstream::h1::head;

/// Reads the bytes of a connection as the client of the upstream does; true for a complete response.
///
/// A response is the same however its bytes are cut. It is complete with its last byte and not before. It has one framing,
/// and the body is the one that a plain reader finds.
#[must_use]
pub fn read(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let exchange = same_in_pieces(bytes, Exchange::of);
    if exchange.end != End::Complete {
        return false;
    }
    let end = bytes.len() - exchange.rest.len();
    let body = &bytes[exchange.body_start..end];
    let lengths = &exchange.lengths;
    match exchange.framing {
        Some(BodyEnd::Chunks) => {
            assert!(lengths.is_empty(), "a response with chunks has a length too");
            assert_eq!(exchange.data, plain_chunks(body));
        }
        Some(BodyEnd::Length) => {
            assert!(lengths.len() <= 1, "{lengths:?}");
            let said = lengths.first().map(|length| length.parse::<usize>().expect("an accepted length is a number"));
            assert!(exchange.is_bodiless || said == Some(exchange.data.len()), "{said:?}");
            assert_eq!(exchange.data, body);
        }
        Some(BodyEnd::Close) | None => {
            assert!(lengths.is_empty(), "a response with a length ends with the connection");
            assert_eq!(exchange.data, body);
        }
    }
    if exchange.framing != Some(BodyEnd::Close) {
        let cut = Exchange::of(&[&bytes[..end - 1]]);
        assert_eq!(cut.end, End::Cut, "the response lacks its last byte");
    }
    true
}

/// What the client learns from the bytes of a connection that is then closed.
#[derive(Debug, PartialEq)]
struct Exchange {
    /// Each head as text; the last one is final, those before it are interim.
    heads: Vec<String>,
    /// The values of `Content-Length` in the final head.
    lengths: Vec<String>,
    /// Whether the final head has a status that allows no body (RFC 9112 §6.3).
    is_bodiless: bool,
    framing: Option<BodyEnd>,
    body_start: usize,
    data: Vec<u8>,
    /// The bytes behind the response.
    rest: Vec<u8>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum BodyEnd {
    Length,
    Chunks,
    Close,
}

#[derive(Debug, PartialEq)]
enum End {
    Complete,
    Cut,
    Refused(String),
}

impl Exchange {
    fn of(pieces: &[&[u8]]) -> Self {
        let mut connection = Connection::default();
        let taken = pieces.iter().try_for_each(|piece| connection.take(piece));
        let Connection { bytes, heads, lengths, is_bodiless, mut framing, body_start, data, .. } = connection;
        let body_end = framing.as_ref().map(BodyEnd::of);
        let is_complete = framing.as_mut().is_some_and(|framing| framing.close().is_ok());
        let (end, rest) = match taken {
            Ok(()) if is_complete => (End::Complete, bytes.to_vec()),
            Ok(()) => (End::Cut, bytes.to_vec()),
            // The pieces behind the fault were not read.
            Err(fault) => (End::Refused(fault.to_string()), Vec::new()),
        };
        Self { heads, lengths, is_bodiless, framing: body_end, body_start, data, rest, end }
    }
}

impl BodyEnd {
    fn of(framing: &Framing) -> Self {
        match framing {
            Framing::Length(_) => Self::Length,
            Framing::Chunked(_) => Self::Chunks,
            Framing::UntilClosed => Self::Close,
        }
    }
}

/// A connection whose bytes arrive in pieces.
#[derive(Default)]
struct Connection {
    received: usize,
    /// The bytes that were received and not used yet.
    bytes: BytesMut,
    heads: Vec<String>,
    lengths: Vec<String>,
    is_bodiless: bool,
    framing: Option<Framing>,
    body_start: usize,
    data: Vec<u8>,
}

impl Connection {
    fn take(&mut self, piece: &[u8]) -> Result<(), UpstreamReadError> {
        self.bytes.extend_from_slice(piece);
        self.received += piece.len();
        while self.framing.is_none() {
            let Some(response) = head::take(&mut self.bytes, |_| false)? else { return Ok(()) };
            self.heads.push(shown(&response));
            let status = response.status();
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(UpstreamReadError::Syntax("it switches protocols"));
            }
            if !status.is_informational() {
                self.begin_body(&response)?;
            }
        }
        let Some(framing) = &mut self.framing else { return Ok(()) };
        loop {
            let data = framing.take(&mut self.bytes)?;
            if data.is_empty() {
                return Ok(());
            }
            self.data.extend_from_slice(&data);
        }
    }

    fn begin_body(&mut self, response: &Response<()>) -> Result<(), UpstreamReadError> {
        let lengths = response.headers().get_all(CONTENT_LENGTH).iter();
        self.lengths = lengths.map(|length| String::from_utf8_lossy(length.as_bytes()).into_owned()).collect();
        self.is_bodiless = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        self.body_start = self.received - self.bytes.len();
        self.framing = Some(head::framing(response, false)?);
        Ok(())
    }
}

fn shown(response: &Response<()>) -> String {
    let fields: Vec<_> = response.headers().iter().collect();
    let reason = response.extensions().get::<ReasonPhrase>();
    format!("{:?} {} {reason:?} {fields:?}", response.version(), response.status().as_u16())
}

/// The data of a complete body in chunks, read in the plainest way there is (RFC 9112 §7.1).
fn plain_chunks(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let line = body.iter().position(|byte| *byte == b'\n').expect("a size has a line") + 1;
        let digits: String = body.iter().map(|byte| char::from(*byte)).take_while(char::is_ascii_hexdigit).collect();
        let size = usize::from_str_radix(&digits, 16).expect("a size is a number");
        if size == 0 {
            check_trailers(&body[line..]);
            return data;
        }
        let end = line + size;
        data.extend_from_slice(&body[line..end]);
        assert_eq!(body[end..end + 2], *b"\r\n", "behind a chunk");
        body = &body[end + 2..];
    }
}

/// Each line of a trailer section is a field and ends with CRLF, and the last one is empty (RFC 9112 §5, §7.1.2).
fn check_trailers(section: &[u8]) {
    let mut lines = section.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r\n"));
    assert_eq!(lines.next_back(), Some(Some(b"".as_slice())), "the last line");
    for line in lines {
        let line = line.expect("a line ends with CRLF");
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | 0)), "{line:?}");
        let name = line.iter().position(|byte| *byte == b':').map(|colon| &line[..colon]);
        let is_name = |name: &[u8]| !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        assert!(name.is_some_and(is_name), "{line:?}");
    }
}

/// The limits of lines depend on what has arrived, so an input beyond them may be refused in pieces and accepted whole.
const LONGEST: usize = 2048;
