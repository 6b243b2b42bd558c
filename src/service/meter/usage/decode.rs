//! Decodes a copy of a compressed response: for the meter as it passes, or whole. The client gets the compressed bytes.

mod deflate;

use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::zstd::params::DParameter;
use compression_codecs::{BrotliDecoder, DecodeV2, GzipDecoder, ZstdDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, HeaderValue};

use self::deflate::AnyDeflate;

/// A streaming decoder for one `Content-Encoding` (RFC 9110 §8.4.1, RFC 8878 for zstd).
pub(crate) struct Decoder(Box<dyn DecodeV2 + Send>);

/// The bytes cannot be decoded, or they decode to more than a metered response can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecodeError;

impl Decoder {
    /// `None` for an unknown encoding and for a list of encodings.
    pub(crate) fn for_encoding(encoding: &[u8]) -> Option<Self> {
        Some(Self(match encoding.to_ascii_lowercase().as_slice() {
            b"gzip" | b"x-gzip" => Box::new(GzipDecoder::new()),
            b"deflate" => Box::new(AnyDeflate::default()),
            b"br" => Box::new(BrotliDecoder::new()),
            b"zstd" => Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(ZSTD_WINDOW)])),
            _ => return None,
        }))
    }

    /// Decodes `bytes` and hands each part of the plain text to `plain`. Parts handed over before an error are valid: a
    /// cut stream does not void its beginning. After an error the decoder must not be used again.
    pub(crate) fn decode(&mut self, bytes: &[u8], mut plain: impl FnMut(&[u8])) -> Result<(), DecodeError> {
        let mut input = PartialBuffer::new(bytes);
        let mut room = [0; ROOM];
        let mut produced = 0;
        loop {
            let mut output = WriteBuffer::new_initialized(&mut room);
            let is_drained = input.unwritten().is_empty();
            let ended = match self.0.decode(&mut input, &mut output) {
                Ok(ended) => ended,
                // Without input a decoder that has handed over all its text may fail.
                Err(_) if is_drained => return Ok(()),
                Err(_) => return Err(DecodeError),
            };
            let written = output.written_len();
            produced += written;
            plain(&room[..written]);
            if produced > MAX_PLAIN {
                return Err(DecodeError);
            }
            if ended || (input.unwritten().is_empty() && written < ROOM) {
                return Ok(());
            }
        }
    }

    /// Decodes a whole body into at most `most` bytes. A body that is cut off, or that goes on with anything but another
    /// stream of the same encoding, has no certain text: another decoder could read more of it.
    pub(crate) fn whole(encoding: &[u8], bytes: &[u8], most: usize) -> Result<Vec<u8>, DecodeError> {
        let (mut input, mut plain) = (PartialBuffer::new(bytes), Vec::new());
        for _ in 0..MOST_STREAMS {
            if input.unwritten().is_empty() {
                return Ok(plain);
            }
            let mut decoder = Self::for_encoding(encoding).ok_or(DecodeError)?;
            let mut ended = false;
            while !ended {
                ended = decoder.step(&mut input, &mut plain)?;
                if plain.len() > most {
                    return Err(DecodeError);
                }
            }
        }
        if input.unwritten().is_empty() { Ok(plain) } else { Err(DecodeError) }
    }

    /// Decodes the next bytes; true at the end of the stream. Fails where there is no progress.
    fn step(&mut self, input: &mut PartialBuffer<&[u8]>, plain: &mut Vec<u8>) -> Result<bool, DecodeError> {
        let (mut room, before) = ([0; ROOM], input.unwritten().len());
        let mut output = WriteBuffer::new_initialized(&mut room);
        let ended = self.0.decode(input, &mut output).map_err(|_| DecodeError)?;
        let written = output.written_len();
        if !ended && written == 0 && input.unwritten().len() == before {
            return Err(DecodeError);
        }
        plain.extend_from_slice(&room[..written]);
        Ok(ended)
    }
}

/// The encoding of a body with these headers; `None` for a plain one. `identity` is no encoding (RFC 9110 §8.4.1), and of
/// several no text is certain.
pub(crate) fn content_encoding(headers: &HeaderMap) -> Option<&[u8]> {
    let lines = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
    let all = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut encoded = all.filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity"));
    let first = encoded.next()?;
    Some(if encoded.next().is_none() { first } else { SEVERAL })
}

/// Stands for a list of encodings, which no decoder has.
const SEVERAL: &[u8] = b"several";

const ROOM: usize = 4096;

/// Bounds the streams of one body (RFC 1952 §2.2, RFC 8878 §3): each costs a decoder.
const MOST_STREAMS: usize = 8;

/// 8 MiB, the most that HTTP allows (RFC 9659); the library would allow 128 MiB.
const ZSTD_WINDOW: u32 = 23;

/// Bounds the plain bytes of one piece, so that a bomb costs time in proportion to its size on the wire.
const MAX_PLAIN: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const GZIP: &[u8] =
        b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\xb9\0\0\x88\x59\x0b\x18\0\0\0";
    const TEXT: &[u8] = b"hello hello hello hello\n";
    const ZLIB: &[u8] = b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\xb9\0\x70\xbe\x08\xbb";

    /// The DEFLATE stream within `ZLIB`.
    fn bare() -> &'static [u8] {
        &ZLIB[2..ZLIB.len() - 4]
    }

    #[test]
    fn pieces_of_any_size_decode() {
        for (encoding, bytes) in [(b"gzip".as_slice(), GZIP), (b"deflate", ZLIB), (b"deflate", bare())] {
            for size in 1..bytes.len() {
                let mut decoder = Decoder::for_encoding(encoding).unwrap();
                let mut plain = Vec::new();
                for piece in bytes.chunks(size) {
                    decoder.decode(piece, |part| plain.extend_from_slice(part)).unwrap();
                }
                assert_eq!(plain, TEXT, "pieces of {size}");
            }
        }
    }

    #[test]
    fn text_decoded_before_a_stream_was_cut_is_kept() {
        let mut plain = Vec::new();
        let mut decoder = Decoder::for_encoding(b"gzip").unwrap();
        decoder.decode(&GZIP[..GZIP.len() - 9], |part| plain.extend_from_slice(part)).unwrap();
        assert!(plain.starts_with(b"hello"));
    }

    #[test]
    fn a_whole_body_is_decoded_to_its_end_and_to_the_bound() {
        let whole = |bytes: &[u8], most| Decoder::whole(b"gzip", bytes, most);
        assert_eq!(whole(GZIP, TEXT.len()), Ok(TEXT.to_vec()));
        for bytes in [ZLIB, bare()] {
            assert_eq!(Decoder::whole(b"deflate", bytes, TEXT.len()), Ok(TEXT.to_vec()));
            for cut in [1, 2, bytes.len() - 1] {
                assert_eq!(Decoder::whole(b"deflate", &bytes[..cut], TEXT.len()), Err(DecodeError), "{cut}");
            }
        }
        assert_eq!(whole(&GZIP.repeat(MOST_STREAMS), 1 << 20), Ok(TEXT.repeat(MOST_STREAMS)));
        assert_eq!(whole(b"", 0), Ok(Vec::new()));
        for (bytes, most) in [
            (GZIP.to_vec(), TEXT.len() - 1),
            (GZIP[..GZIP.len() - 1].to_vec(), 1 << 20),
            ([GZIP, b"more"].concat(), 1 << 20),
            (GZIP.repeat(MOST_STREAMS + 1), 1 << 20),
            (TEXT.to_vec(), 1 << 20),
        ] {
            assert_eq!(whole(&bytes, most), Err(DecodeError), "{bytes:?}");
        }
        assert_eq!(Decoder::whole(b"gzip, br", GZIP, 1 << 20), Err(DecodeError));
    }

    #[test]
    fn a_text_that_fills_the_room_is_decoded_to_its_end() {
        for length in [ROOM - 1, ROOM, ROOM + 1, 3 * ROOM] {
            let text = vec![b'x'; length];
            let (begun, rest) = flushed(&text);
            let (mut decoder, mut plain) = (Decoder::for_encoding(b"gzip").unwrap(), Vec::new());
            for piece in [begun, rest] {
                assert_eq!(decoder.decode(&piece, |part| plain.extend_from_slice(part)), Ok(()), "{length}");
            }
            assert!(plain == [text, b"!".to_vec()].concat(), "{length}");
        }
    }

    /// `text` in gzip up to a flush, and what follows when one more byte ends it.
    fn flushed(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.flush().unwrap();
        let begun = std::mem::take(encoder.get_mut());
        encoder.write_all(b"!").unwrap();
        (begun, encoder.finish().unwrap())
    }

    #[test]
    fn the_encoding_of_a_body_is_read_from_all_lines_in_any_case_and_without_identity() {
        for (lines, expected) in [
            (&[] as &[&'static str], None),
            (&[""], None),
            (&["identity"], None),
            (&["Identity", " IDENTITY , identity"], None),
            (&["gzip"], Some("gzip")),
            (&["gzip, identity"], Some("gzip")),
            (&["identity", "\tGzip ,"], Some("Gzip")),
            (&["gzip, br"], Some("several")),
            (&["gzip", "gzip"], Some("several")),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(content_encoding(&headers), expected.map(str::as_bytes), "{lines:?}");
        }
    }

    #[test]
    fn an_unknown_encoding_or_a_list_has_no_decoder() {
        for encoding in [b"identity".as_slice(), b"compress", b"gzip, br", SEVERAL, b"GZIP2", b""] {
            assert!(Decoder::for_encoding(encoding).is_none());
        }
        for encoding in [b"gzip".as_slice(), b"GZIP", b"x-gzip", b"deflate", b"br", b"zstd"] {
            assert!(Decoder::for_encoding(encoding).is_some());
        }
    }

    #[test]
    fn a33_a_bomb_is_given_up_at_a_bound() {
        for (encoding, bomb) in [(b"zstd".as_slice(), zstd_bomb(22)), (b"gzip", gzip_bomb())] {
            let mut decoder = Decoder::for_encoding(encoding).unwrap();
            let mut plain = 0;
            let end = decoder.decode(&bomb, |part| plain += part.len());
            assert_eq!(end, Err(DecodeError));
            assert!(plain <= MAX_PLAIN + ROOM && bomb.len() < MAX_PLAIN / 500, "{} made {plain}", bomb.len());
        }
    }

    #[test]
    fn a33_a_window_larger_than_http_allows_is_refused_before_it_is_allocated() {
        let mut decoder = Decoder::for_encoding(b"zstd").unwrap();
        let mut plain = 0;
        assert_eq!(decoder.decode(&zstd_bomb(27), |part| plain += part.len()), Err(DecodeError));
        assert_eq!(plain, 0);
    }

    /// A frame (RFC 8878) of 80 MiB of zeros with a window of `window` bits: a header and 640 blocks of 128 KiB that
    /// each repeat one byte.
    fn zstd_bomb(window: u8) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, (window - 10) << 3];
        for number in 0..640_u32 {
            let header = (128 << 10 << 3) | (1 << 1) | u32::from(number == 639);
            frame.extend_from_slice(&header.to_le_bytes()[..3]);
            frame.push(0);
        }
        frame
    }

    fn gzip_bomb() -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let zeros = vec![0; 1 << 20];
        (0..80).for_each(|_| encoder.write_all(&zeros).unwrap());
        encoder.finish().unwrap()
    }

    #[test]
    fn bytes_that_are_not_compressed_are_undecodable() {
        let mut decoder = Decoder::for_encoding(b"gzip").unwrap();
        assert_eq!(decoder.decode(b"<html>", |_| {}), Err(DecodeError));
    }
}
