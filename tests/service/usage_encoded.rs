//! Compressed answers are metered from a copy; the client gets the compressed bytes.

use compression_codecs::brotli::params::EncoderParams;
use compression_codecs::core::util::{PartialBuffer, WriteBuffer};
use compression_codecs::{BrotliEncoder, DeflateEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder};
use flate2::Compression;
use valetkey::service::meter::usage::{Ended, Tokens};

use crate::usage::metered;
use testkit::legs::assert_same;
use testkit::service::TestService;
use testkit::upstream::{Answer, Upstream};

#[tokio::test]
async fn a_compressed_stream_is_metered_however_it_is_cut() {
    for size in [1, 100, 1 << 20] {
        let record = metered(Answer::message_stream("one two").gzip().in_pieces(size)).await;
        assert_eq!((record.tokens, record.ended), (STAND_IN, Ended::Complete), "pieces of {size}");
    }
}

#[tokio::test]
async fn every_encoding_that_the_api_uses_is_metered_and_arrives_as_it_is() {
    let plain = br#"{"model":"m","content":[],"usage":{"input_tokens":3,"output_tokens":5}}"#;
    for (encoding, bytes) in [
        ("gzip", compressed(GzipEncoder::new(Compression::default().into()), plain)),
        ("deflate", compressed(DeflateEncoder::new(Compression::default().into()), plain)),
        ("deflate", compressed(ZlibEncoder::new(Compression::default().into()), plain)),
        ("br", compressed(BrotliEncoder::new(EncoderParams::default()), plain)),
        ("zstd", compressed(ZstdEncoder::new(3), plain)),
    ] {
        let upstream = Upstream::start();
        let service = TestService::before(&upstream);
        let token = service.token().await;
        let answer = Answer::whole(200, "application/json", bytes.clone()).header("content-encoding", encoding);
        upstream.answer_next(answer.in_pieces(10).header("content-length", &bytes.len().to_string()));
        let answer = service.messages(&token, r#"{"model":"m"}"#).await;
        assert_eq!(answer.header("content-encoding"), Some(encoding));
        assert_same(&answer.body, &bytes, encoding);
        let record = service.usage.wait_for(1).await.remove(0);
        assert_eq!((record.tokens.input_tokens, record.tokens.output_tokens), (3, 5), "{encoding}");
    }
}

#[tokio::test]
async fn an_encoding_that_cannot_be_read_costs_the_numbers_and_nothing_else() {
    for (encoding, body) in [("compress", "?"), ("gzip", "this is not gzip"), ("gzip, br", "?")] {
        let answer = Answer::whole(200, "application/json", body.into()).header("content-encoding", encoding);
        let record = metered(answer).await;
        assert_eq!((record.ended, record.no_usage), (Ended::Complete, true), "{encoding}");
    }
}

pub fn compressed(mut encoder: impl EncodeV2, plain: &[u8]) -> Vec<u8> {
    let mut room = [0; 4096];
    let mut output = WriteBuffer::new_initialized(&mut room);
    let mut input = PartialBuffer::new(plain);
    while !input.unwritten().is_empty() {
        encoder.encode(&mut input, &mut output).unwrap();
    }
    while !encoder.finish(&mut output).unwrap() {}
    let length = output.written_len();
    room[..length].to_vec()
}

/// What the stand-in counts for a message of two words.
const STAND_IN: Tokens = Tokens {
    input_tokens: 25,
    output_tokens: 2,
    cache_write_5m_tokens: 4,
    cache_write_1h_tokens: 6,
    cache_read_tokens: 7,
};
