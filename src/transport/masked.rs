//! A relayed body in which secrets become asterisks, wherever the upstream's pieces cut it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use memchr::memmem::Finder;

use super::relay::{Relay, RelayError};

/// Finds secrets, and puts as many asterisks in their places. Clones share the secrets.
#[derive(Clone)]
pub struct Mask(Arc<[Finder<'static>]>);

/// A [`Relay`] whose bytes pass a [`Mask`]. It holds back only an end that may be the beginning of a secret.
pub struct MaskedRelay {
    relay: Relay,
    pieces: MaskedPieces,
}

/// The pieces of one body.
struct MaskedPieces {
    mask: Mask,
    /// The end of the piece before, if it may be the beginning of a secret.
    held: Bytes,
}

impl Mask {
    /// A mask for `secrets`, none of which is empty.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self(secrets.into_iter().map(|secret| Finder::new(secret.as_bytes()).into_owned()).collect())
    }

    /// Whether a secret is in `bytes`.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|secret| secret.find(bytes).is_some())
    }

    /// `bytes` with the secrets masked; the very bytes if none is in them.
    #[must_use]
    pub fn apply(&self, bytes: Bytes) -> Bytes {
        if !self.is_in(&bytes) {
            return bytes;
        }
        let mut masked = bytes.to_vec();
        for secret in self.0.iter() {
            for at in secret.find_iter(&bytes) {
                masked[at..at + secret.needle().len()].fill(b'*');
            }
        }
        masked.into()
    }

    /// How many bytes at the end of `bytes` are the beginning of a secret, the most that are.
    fn begun_in(&self, bytes: &[u8]) -> usize {
        let begun = |secret: &[u8]| (1..secret.len()).rev().find(|length| bytes.ends_with(&secret[..*length]));
        self.0.iter().filter_map(|secret| begun(secret.needle())).max().unwrap_or(0)
    }
}

impl MaskedPieces {
    /// The bytes that may pass now, of those that were held back and the next ones.
    fn pass(&mut self, bytes: Bytes, is_last: bool) -> Bytes {
        let all = if self.held.is_empty() { bytes } else { [&self.held[..], &bytes[..]].concat().into() };
        let mut masked = self.mask.apply(all);
        let held = if is_last { 0 } else { self.mask.begun_in(&masked) };
        self.held = masked.split_off(masked.len() - held);
        masked
    }
}

impl MaskedRelay {
    /// Masks what `relay` brings.
    #[must_use]
    pub fn new(relay: Relay, mask: Mask) -> Self {
        Self { relay, pieces: MaskedPieces { mask, held: Bytes::new() } }
    }

    fn pass(&mut self, frame: Frame<Bytes>) -> Bytes {
        let is_last = self.relay.is_end_stream();
        frame.into_data().map_or_else(|_| Bytes::new(), |bytes| self.pieces.pass(bytes, is_last))
    }
}

impl Body for MaskedRelay {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        loop {
            let passed = match ready!(Pin::new(&mut self.relay).poll_frame(cx)) {
                Some(Ok(frame)) => self.pass(frame),
                Some(Err(error)) => {
                    // An answer that breaks off inside a secret ends before it.
                    self.pieces.held.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                None if self.pieces.held.is_empty() => return Poll::Ready(None),
                None => std::mem::take(&mut self.pieces.held),
            };
            if !passed.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(passed))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.relay.is_end_stream() && self.pieces.held.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.relay.size_hint().exact();
        rest.map_or_else(SizeHint::default, |rest| SizeHint::with_exact(rest + self.pieces.held.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a41_a_secret_becomes_as_many_asterisks_and_all_else_stays() {
        let mask = Mask::new(["secret"]);
        for (text, expected) in [
            ("", ""),
            ("a secret, a secre", "a ******, a secre"),
            ("secretsecret", "************"),
            ("secsecretret", "sec******ret"),
            ("SECRET", "SECRET"),
        ] {
            assert_eq!(mask.apply(Bytes::from(text)), expected);
        }
        assert_eq!(Mask::new(["abab"]).apply("ababab".into()), "****ab");
    }

    #[test]
    fn a63_every_secret_is_masked_also_where_two_overlap() {
        let mask = Mask::new(["secret", "retain", "s3"]);
        assert_eq!(mask.apply("secret s3 retain secretain".into()), "****** ** ****** *********");
        for (text, held) in [("a secr", 4), ("a ret", 3), ("a secret", 0), ("xs", 1), ("a re", 2), ("s3", 0)] {
            assert_eq!(mask.begun_in(&mask.apply(text.into())), held, "{text}");
        }
    }

    #[test]
    fn only_an_end_that_may_be_the_beginning_is_held_back() {
        let mask = Mask::new(["abab"]);
        for (text, held) in [("", 0), ("x", 0), ("a", 1), ("xab", 2), ("xaba", 3), ("aa", 1), ("abb", 0), ("****", 0)] {
            assert_eq!(mask.begun_in(text.as_bytes()), held, "{text}");
        }
    }

    #[test]
    fn a41_a_secret_is_masked_wherever_the_pieces_cut_it() {
        let (text, expected) = ("a secret, secsecret and a sec", "a ******, sec****** and a sec");
        let cut = |places: &[usize]| {
            let mut pieces = MaskedPieces { mask: Mask::new(["secret"]), held: Bytes::new() };
            let mut passed = Vec::new();
            for (place, next) in places.iter().zip(&places[1..]) {
                let bytes = Bytes::copy_from_slice(&text.as_bytes()[*place..*next]);
                passed.extend_from_slice(&pieces.pass(bytes, *next == text.len()));
                assert!(pieces.held.len() < 6 && passed.len() + pieces.held.len() == *next);
            }
            String::from_utf8(passed).unwrap()
        };
        for first in 0..=text.len() {
            for second in first..=text.len() {
                assert_eq!(cut(&[0, first, second, text.len()]), expected, "cut at {first} and {second}");
            }
        }
        assert_eq!(cut(&(0..=text.len()).collect::<Vec<_>>()), expected, "byte by byte");
    }
}
