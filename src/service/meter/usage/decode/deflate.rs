//! The encoding `deflate`: a zlib stream (RFC 1950), or from some servers a bare DEFLATE stream (RFC 1951), which clients
//! read as well. The first two bytes tell which of them it is.

use std::io;

use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::{DecodeV2, DeflateDecoder, ZlibDecoder};

#[derive(Default)]
pub(super) struct AnyDeflate {
    /// The first byte, until the second one comes.
    first: Option<u8>,
    decoder: Option<Box<dyn DecodeV2 + Send>>,
}

impl DecodeV2 for AnyDeflate {
    fn reinit(&mut self) -> io::Result<()> {
        *self = Self::default();
        Ok(())
    }

    fn decode(&mut self, input: &mut PartialBuffer<&[u8]>, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        if let Some(decoder) = &mut self.decoder {
            return decoder.decode(input, output);
        }
        while let Some(byte) = input.unwritten().first().copied() {
            input.advance(1);
            let Some(first) = self.first.replace(byte) else { continue };
            let begun = [first, byte];
            let decoder = self.decoder.insert(decoder_for(begun));
            let ended = decoder.decode(&mut PartialBuffer::new(&begun[..]), output)?;
            return if ended || input.unwritten().is_empty() { Ok(ended) } else { decoder.decode(input, output) };
        }
        Ok(false)
    }

    fn flush(&mut self, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        self.decoder.as_mut().map_or(Ok(true), |decoder| decoder.flush(output))
    }

    fn finish(&mut self, output: &mut WriteBuffer<'_>) -> io::Result<bool> {
        self.decoder.as_mut().map_or(Ok(true), |decoder| decoder.finish(output))
    }
}

fn decoder_for(begun: [u8; 2]) -> Box<dyn DecodeV2 + Send> {
    if is_zlib(begun) { Box::new(ZlibDecoder::new()) } else { Box::new(DeflateDecoder::new()) }
}

/// RFC 1950 §2.2: the method is 8, the window has at most 32 KiB, and both bytes together are a multiple of 31.
fn is_zlib([method, flags]: [u8; 2]) -> bool {
    method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}
