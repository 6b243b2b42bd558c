//! Reads the head of a response (RFC 9112 §4, §5) and decides how its body is framed (§6.3). Fails on doubtful framing.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::framing::{Chunks, Framing};
use crate::transport::headers::DropsHeader;
use crate::transport::upstream::read_error::UpstreamReadError;

/// Takes a whole head off the front of `bytes`, without the headers that `drops` names; `None` while it is incomplete.
pub(crate) fn take(bytes: &mut BytesMut, drops: DropsHeader) -> Result<Option<Response<()>>, UpstreamReadError> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let status = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut fields);
    let length = match status.map_err(|_| UpstreamReadError::Syntax("the head is malformed"))? {
        Status::Partial if bytes.len() > LONGEST => return Err(UpstreamReadError::Syntax("the head is too long")),
        Status::Partial => return Ok(None),
        Status::Complete(length) => length,
    };
    let base = bytes.as_ptr() as usize;
    let place = |part: &[u8]| {
        let start = part.as_ptr() as usize - base;
        start..start + part.len()
    };
    // All values share one copy, so that the buffer is free for the body.
    let head = Bytes::copy_from_slice(&bytes[..length]);
    let mut response = Response::new(());
    let code = StatusCode::from_u16(parsed.code.unwrap_or_default());
    *response.status_mut() = code.map_err(|_| UpstreamReadError::Syntax("the status code is invalid"))?;
    *response.version_mut() = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(head.slice(place(field.value)));
        match (name, value) {
            (Ok(name), Ok(_)) if drops(name.as_str()) => {}
            (Ok(name), Ok(value)) => {
                response.headers_mut().append(name, value);
            }
            _ => return Err(UpstreamReadError::Syntax("a header is malformed")),
        }
    }
    let usual = ["", response.status().canonical_reason().unwrap_or_default()];
    let reason = parsed.reason.filter(|reason| !usual.contains(reason)).map(str::as_bytes);
    if let Some(reason) = reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
        response.extensions_mut().insert(reason);
    }
    say_length_once(response.headers_mut());
    bytes.advance(length);
    Ok(Some(response))
}

/// How the body of `head` is framed (RFC 9112 §6.3); an error when another reader could see another end.
pub(crate) fn framing(head: &Response<()>, to_head_request: bool) -> Result<Framing, UpstreamReadError> {
    let has_none = matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = length(head.headers())?;
    let coded = head.headers().contains_key(TRANSFER_ENCODING);
    // Possible response splitting (RFC 9112 §6.3, rule 3), or a coding that HTTP/1.0 does not have (§6.1).
    if coded && (length.is_some() || head.version() == Version::HTTP_10) {
        return Err(UpstreamReadError::Syntax("it has a transfer coding together with a length or HTTP/1.0"));
    }
    if coded && !is_chunked(head.headers()) {
        return Err(UpstreamReadError::Syntax("it has a transfer coding that was not requested"));
    }
    // RFC 9112 §6.3, rules 1, 4, 6 and 8.
    Ok(match length {
        _ if has_none || to_head_request => Framing::Length(0),
        _ if coded => Framing::Chunked(Chunks::Size),
        Some(length) => Framing::Length(length),
        None => Framing::UntilClosed,
    })
}

/// Whether the connection may serve another request (RFC 9112 §9.3).
pub(super) fn keeps_alive(head: &Response<()>) -> bool {
    let says = |word: &str| {
        let values = head.headers().get_all(CONNECTION).iter();
        let mut words = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        words.any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    if head.version() == Version::HTTP_10 { says("keep-alive") } else { !says("close") }
}

/// The announced length. Repeated values must be equal (RFC 9110 §8.6).
fn length(headers: &HeaderMap) -> Result<Option<u64>, UpstreamReadError> {
    let malformed = || UpstreamReadError::Syntax("its length is malformed");
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for said in value.to_str().map_err(|_| malformed())?.split(',').map(str::trim) {
            let digits = !said.is_empty() && said.bytes().all(|byte| byte.is_ascii_digit());
            let said = said.parse::<u64>().ok().filter(|_| digits).ok_or_else(malformed)?;
            if *length.get_or_insert(said) != said {
                return Err(malformed());
            }
        }
    }
    Ok(length)
}

/// Replaces repeated equal lengths by one (RFC 9110 §8.6), so that no later reader sees two.
fn say_length_once(headers: &mut HeaderMap) {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let repeated = values.next().is_some_and(|first| first.as_bytes().contains(&b',')) || values.next().is_some();
    if repeated && let Ok(Some(length)) = length(headers) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    first && codings.next().is_none()
}

/// The most header fields of a head; the Anthropic API sends about 30.
const MOST_FIELDS: usize = 256;

/// The most bytes of a head; the Anthropic API sends about 1.5 kB.
const LONGEST: usize = 256 * 1024;

#[cfg(test)]
mod tests;
