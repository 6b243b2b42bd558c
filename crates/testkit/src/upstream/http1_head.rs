//! Reads the head of an HTTP/1.1 request.

use httparse::{EMPTY_HEADER, Header, Status};
use hyper::{Method, Version};

use super::recording::{Received, is_service};
use super::stage::{Call, Stage};

/// A request's head, taken apart.
pub(super) struct Head {
    pub(super) call: Call,
    pub(super) framing: RequestFraming,
    pub(super) version: Version,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
    /// `None` when the request is not recorded.
    headers: Option<Vec<(String, String)>>,
}

/// Where the request's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestFraming {
    Length(usize),
    Chunked,
}

/// The result of parsing the bytes so far.
pub(super) enum Parsed {
    Partial,
    /// A head, and its length.
    Head(Head, usize),
    /// Not HTTP, or HTTP that can be read in two ways; this server takes neither.
    Malformed(&'static str),
}

impl Head {
    /// Reads the head at the start of `bytes`.
    pub(super) fn parse(bytes: &[u8], stage: &Stage) -> Parsed {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) if bytes.len() < MAX_HEAD => return Parsed::Partial,
            Ok(Status::Partial) => return Parsed::Malformed("the head is too long"),
            Err(_) => return Parsed::Malformed("the head is not HTTP/1.1"),
        };
        match Self::from_parsed(&request, stage) {
            Ok(head) => Parsed::Head(head, length),
            Err(problem) => Parsed::Malformed(problem),
        }
    }

    fn from_parsed(request: &httparse::Request<'_, '_>, stage: &Stage) -> Result<Self, &'static str> {
        let headers: &[Header<'_>] = request.headers;
        let method = Method::from_bytes(request.method.unwrap_or_default().as_bytes()).map_err(|_| "bad method")?;
        let call = Call {
            method,
            target: request.path.unwrap_or_default().to_owned(),
            admitted: stage.admits(values(headers, "x-api-key")),
            is_key_probe: values(headers, "user-agent").any(is_service),
        };
        let is_new = request.version == Some(1);
        let connection = |option| lists(headers, "connection", option);
        Ok(Self {
            framing: framing(headers)?,
            version: if is_new { Version::HTTP_11 } else { Version::HTTP_10 },
            keep_alive: if is_new { !connection("close") } else { connection("keep-alive") },
            expects_continue: is_new && lists(headers, "expect", "100-continue"),
            headers: stage.records(&call).then(|| headers.iter().map(owned).collect()),
            call,
        })
    }

    /// The entry for the journal; `None` when the request is not recorded.
    pub(super) fn received(&mut self, connection: usize) -> Option<Received> {
        let headers = self.headers.take()?;
        Some(Received {
            method: self.call.method.to_string(),
            target: self.call.target.clone(),
            headers,
            body: Vec::new(),
            connection,
            version: self.version,
            complete: false,
            ended: false,
        })
    }
}

fn framing(headers: &[Header<'_>]) -> Result<RequestFraming, &'static str> {
    let mut lengths = values(headers, "content-length");
    let mut encodings = values(headers, "transfer-encoding");
    match (lengths.next(), encodings.next()) {
        (None, None) => Ok(RequestFraming::Length(0)),
        (Some(length), None) if lengths.next().is_none() => decimal(length).map(RequestFraming::Length),
        (None, Some(b"chunked")) if encodings.next().is_none() => Ok(RequestFraming::Chunked),
        (Some(_), Some(_)) => Err("both content-length and transfer-encoding"),
        (Some(_), None) => Err("several content-length headers"),
        (None, Some(_)) => Err("transfer-encoding must be chunked"),
    }
}

fn decimal(digits: &[u8]) -> Result<usize, &'static str> {
    let bad = "content-length must be a decimal number";
    // `parse` alone would take a sign.
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(bad);
    }
    std::str::from_utf8(digits).map_err(|_| bad)?.parse().map_err(|_| bad)
}

fn values<'a>(headers: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn lists(headers: &[Header<'_>], name: &str, option: &str) -> bool {
    let matches = |item: &[u8]| item.trim_ascii().eq_ignore_ascii_case(option.as_bytes());
    values(headers, name).any(|value| value.split(|byte| *byte == b',').any(matches))
}

fn owned(header: &Header<'_>) -> (String, String) {
    (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
}

const MAX_HEADERS: usize = 128;
const MAX_HEAD: usize = 256 * 1024;
