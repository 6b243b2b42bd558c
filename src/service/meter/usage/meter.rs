//! The tap on a relayed response: reads the usage from the passing bytes and finishes the record. A response that
//! cannot be read is relayed all the same.

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use serde::de::DeserializeOwned;

use super::decode::Decoder;
use super::iterations::shared;
use super::record::{Ended, Recording, UsageRecord};
use super::sse::SseScanner;
use super::usage_object::Usage;
use crate::service::base::json::{Found, ObjectScanner};
use crate::transport::headers::is_media_type;
use crate::transport::relay::{Ending, Tap};

pub struct Meter {
    recording: Recording,
    status: u16,
    decoder: Option<Decoder>,
    reader: BodyReader,
    /// Set when no more can be read. Usage that was read before stays.
    blind: bool,
}

enum BodyReader {
    Stream(Box<SseScanner>),
    Object(Box<ObjectReader>),
    /// The response has no usage, or none that can be read.
    Unreadable {
        /// Whether the response should have usage.
        expected: bool,
    },
}

struct ObjectReader {
    scanner: ObjectScanner<2>,
    bytes: usize,
}

impl Meter {
    /// Only a response that `is_metered` by its route is expected to state usage.
    #[must_use]
    pub fn new(recording: Recording, status: u16, headers: &HeaderMap, is_metered: bool) -> Self {
        let expected = is_metered && status < 300;
        let (decoder, reader) =
            if expected { reader_for(headers) } else { (None, BodyReader::Unreadable { expected: false }) };
        Self { recording, status, decoder, reader, blind: false }
    }

    fn ended(&self, ending: Ending) -> Ended {
        let has_error =
            self.status >= 400 || matches!(&self.reader, BodyReader::Stream(scanner) if scanner.seen().has_error);
        match ending {
            Ending::Complete if has_error => Ended::Error,
            Ending::Complete => Ended::Complete,
            Ending::Cancelled => Ended::Cancelled,
            Ending::UpstreamCut | Ending::Stalled => Ended::UpstreamCut,
            Ending::ShutDown => Ended::Error,
            Ending::Recalled => Ended::Revoked,
        }
    }
}

impl Tap for Meter {
    fn data(&mut self, bytes: &[u8]) {
        if self.blind {
            return;
        }
        let reader = &mut self.reader;
        let readable = match &mut self.decoder {
            None => reader.read(bytes),
            Some(decoder) => {
                let mut readable = true;
                decoder.decode(bytes, |plain| readable &= reader.read(plain)).is_ok() && readable
            }
        };
        if !readable {
            self.blind = true;
        }
    }

    fn end(&mut self, ending: Ending) {
        let ended = self.ended(ending);
        let reader = &self.reader;
        self.recording.fill(|record| reader.report(record, ending));
        self.recording.finish(ended);
    }
}

impl BodyReader {
    /// Returns false when no more bytes can be read.
    fn read(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Stream(scanner) => {
                scanner.feed(bytes);
                true
            }
            Self::Object(object) => {
                object.bytes += bytes.len();
                object.scanner.feed(bytes).is_ok()
            }
            Self::Unreadable { .. } => true,
        }
    }

    fn report(&self, record: &mut UsageRecord, ending: Ending) {
        match self {
            Self::Stream(scanner) => {
                let seen = scanner.seen();
                record.first_chunk = record.first_byte;
                record.model_answered.clone_from(&seen.model);
                (record.tokens, record.shares) = shared(seen.model.as_deref(), seen.tokens, &seen.iterations);
                record.conditions = seen.conditions;
                record.unparsed_events = seen.unparsed;
                record.no_usage = !seen.has_usage;
                if !seen.has_final_count {
                    let estimate = (seen.content_bytes / BYTES_PER_TOKEN) as u64;
                    record.output_estimated = true;
                    record.tokens.output_tokens = record.tokens.output_tokens.max(estimate);
                }
            }
            Self::Object(object) => {
                record.model_answered = parsed(object.scanner.found(MODEL));
                match parsed::<Usage>(object.scanner.found(USAGE)) {
                    Some(usage) => {
                        record.tokens.merge(&usage.counts());
                        usage.describe(&mut record.conditions);
                        let model = record.model_answered.as_deref();
                        (record.tokens, record.shares) = shared(model, record.tokens, usage.iterations());
                    }
                    None => record.no_usage = true,
                }
                // Usage comes last in an answer. A client that leaves earlier has received text, which is estimated
                // here.
                if record.no_usage && ending != Ending::Complete {
                    record.output_estimated = true;
                    let content = object.bytes.saturating_sub(OBJECT_OVERHEAD);
                    record.tokens.output_tokens = (content / BYTES_PER_TOKEN) as u64;
                }
            }
            Self::Unreadable { expected } => record.no_usage = *expected,
        }
    }
}

fn reader_for(headers: &HeaderMap) -> (Option<Decoder>, BodyReader) {
    let reader = if is_media_type(headers, "text/event-stream") {
        BodyReader::Stream(Box::default())
    } else if is_media_type(headers, "application/json") {
        BodyReader::Object(Box::new(ObjectReader { scanner: ObjectScanner::new(["model", "usage"]), bytes: 0 }))
    } else {
        BodyReader::Unreadable { expected: true }
    };
    match headers.get(CONTENT_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => (None, reader),
        Some(encoding) => match Decoder::for_encoding(encoding) {
            Some(decoder) => (Some(decoder), reader),
            None => (None, BodyReader::Unreadable { expected: true }),
        },
    }
}

fn parsed<T: DeserializeOwned>(found: &Found) -> Option<T> {
    match found {
        Found::Value(raw) => serde_json::from_slice(raw).ok(),
        _ => None,
    }
}

const MODEL: usize = 0;
const USAGE: usize = 1;

/// Anthropic's own lower bound for text without a token count.
const BYTES_PER_TOKEN: usize = 4;

/// The bytes of an answer before its text.
const OBJECT_OVERHEAD: usize =
    br#"{"model":"","id":"","type":"message","role":"assistant","content":[{"type":"text","text":""#.len();
