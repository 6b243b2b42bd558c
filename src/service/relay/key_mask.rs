//! Keeps the real key out of what clients get. Some gateways and debugging servers repeat the headers of a request, in
//! headers of their own or in the text of an error.
//!
//! A header that holds the key goes. In the body of an error its bytes become asterisks; a body of 2xx is not looked at.
//! Only the key as it was sent is found: not one that the upstream has encoded or escaped.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Response, StatusCode, response};
use hyper::ext::ReasonPhrase;

use crate::secret::Secret;
use crate::service::meter::usage::{DecodeError, Decoder, content_encoding};
use crate::transport::masked::{Mask, MaskedRelay};
use crate::transport::relay::Relay;
use crate::transport::reply::Reply;
use crate::transport::upstream::UpstreamBody;

/// Masks the key in use and those that it has replaced: an open request may have gone up with one of these. `None` for keys
/// so short that any text could contain them.
pub(crate) struct KeyMask(Option<Mask>);

impl KeyMask {
    pub(crate) fn new(keys: &[Secret]) -> Self {
        let long: Vec<_> = keys.iter().map(Secret::expose).filter(|key| key.len() >= SHORTEST_KEY).collect();
        Self((!long.is_empty()).then(|| Mask::new(long)))
    }

    /// Removes the headers that hold the key, and a reason phrase that does.
    pub(crate) fn strip_head(&self, head: &mut response::Parts) {
        let Some(mask) = &self.0 else { return };
        let with_key = head.headers.iter().filter(|(_, value)| mask.is_in(value.as_bytes()));
        let found: Vec<_> = with_key.map(|(name, _)| name.clone()).collect();
        for name in found {
            head.headers.remove(name);
        }
        if head.extensions.get::<ReasonPhrase>().is_some_and(|reason| mask.is_in(reason.as_bytes())) {
            head.extensions.remove::<ReasonPhrase>();
        }
    }

    /// The body of an answer with this status, which is not encoded, or is not of an error.
    pub(crate) fn relayed(&self, relay: Relay, status: StatusCode) -> Reply {
        match &self.0 {
            Some(mask) if !status.is_success() => Reply::Masked(Box::new(MaskedRelay::new(relay, mask.clone()))),
            _ => Reply::Relayed(Box::new(relay)),
        }
    }

    /// Whether the key can be seen only in the whole body: an error's, and encoded.
    pub(crate) fn needs_whole(&self, answer: &Response<UpstreamBody>) -> bool {
        !answer.status().is_success()
            && self.0.is_some()
            && content_encoding(answer.headers()).is_some()
            && !answer.body().is_end()
    }

    /// The whole body of an answer with the key masked. If the key is in an encoded one, the decoded body takes its
    /// place, and the headers no longer describe the encoded one.
    pub(crate) fn whole(&self, head: &mut response::Parts, body: Bytes) -> Result<Bytes, DecodeError> {
        let Some(mask) = self.0.as_ref().filter(|_| !head.status.is_success()) else { return Ok(body) };
        let Some(encoding) = content_encoding(&head.headers) else { return Ok(mask.apply(body)) };
        let plain = Decoder::whole(encoding, &body, MOST_PLAIN)?;
        if !mask.is_in(&plain) {
            return Ok(body);
        }
        head.headers.remove(CONTENT_ENCODING);
        head.headers.remove(CONTENT_LENGTH);
        Ok(mask.apply(plain.into()))
    }
}

/// Keys of the API have more than a hundred characters.
const SHORTEST_KEY: usize = 16;

/// The longest text of an encoded error.
const MOST_PLAIN: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::header::HeaderValue;

    use super::*;

    fn mask() -> KeyMask {
        KeyMask::new(&[Secret::new(KEY)])
    }

    fn gzip(text: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    fn deflate(text: &[u8]) -> Bytes {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    fn bare_deflate(text: &[u8]) -> Bytes {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    fn head(status: u16, encodings: &[&'static str]) -> response::Parts {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = StatusCode::from_u16(status).unwrap();
        for encoding in encodings {
            head.headers.append(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
        head
    }

    #[test]
    fn a41_the_key_is_masked_in_a_plain_error_and_not_looked_for_in_a_good_answer() {
        for encodings in [&[] as &[&'static str], &["identity"], &[""], &["Identity"]] {
            let body = mask().whole(&mut head(400, encodings), Bytes::from(format!("no {KEY}!"))).unwrap();
            assert_eq!(body, format!("no {}!", "*".repeat(KEY.len())), "{encodings:?}");
        }
        let good = Bytes::from_static(KEY.as_bytes());
        assert_eq!(mask().whole(&mut head(200, &[]), good.clone()).unwrap(), good);
        assert_eq!(mask().whole(&mut head(200, &["br"]), good.clone()).unwrap(), good);
    }

    #[test]
    fn a41_an_encoded_error_is_the_upstreams_bytes_unless_the_key_is_in_it() {
        let mut without = head(429, &["gzip"]);
        let body = gzip(b"wait");
        assert_eq!(mask().whole(&mut without, body.clone()).unwrap(), body);
        assert!(without.headers.contains_key(CONTENT_ENCODING) && without.headers.contains_key(CONTENT_LENGTH));
        let key = KEY.as_bytes();
        for (encodings, body) in [
            (&["gzip"] as &[&'static str], gzip(key)),
            (&["Deflate"], deflate(key)),
            (&["deflate"], bare_deflate(key)),
            (&["gzip, identity"], gzip(key)),
            (&["Identity", "x-gzip"], gzip(key)),
        ] {
            let mut with = head(429, encodings);
            assert_eq!(mask().whole(&mut with, body).unwrap(), "*".repeat(KEY.len()), "{encodings:?}");
            assert!(with.headers.is_empty(), "{with:?}");
        }
    }

    #[test]
    fn a41_an_error_that_cannot_be_read_is_not_passed() {
        let body = gzip(KEY.as_bytes());
        for encodings in
            [&["br"] as &[&'static str], &["compress"], &["gzip, br"], &["gzip", "gzip"], &["identity", "x"]]
        {
            assert_eq!(mask().whole(&mut head(500, encodings), body.clone()), Err(DecodeError), "{encodings:?}");
        }
        let large = gzip(&[vec![b' '; MOST_PLAIN], KEY.as_bytes().to_vec()].concat());
        assert_eq!(mask().whole(&mut head(500, &["gzip"]), large), Err(DecodeError));
        let at_the_bound = gzip(&[vec![b' '; MOST_PLAIN - KEY.len()], KEY.as_bytes().to_vec()].concat());
        let masked = mask().whole(&mut head(500, &["gzip"]), at_the_bound).unwrap();
        assert!(masked.len() == MOST_PLAIN && masked.ends_with(&[b'*'; KEY.len()]));
    }

    #[test]
    fn a_key_so_short_that_it_could_be_any_text_is_not_looked_for() {
        let body = Bytes::from_static(b"a test");
        assert_eq!(KeyMask::new(&[Secret::new("test")]).whole(&mut head(400, &[]), body.clone()).unwrap(), body);
    }

    const KEY: &str = "sk-ant-api03-canary-real-key";
}
