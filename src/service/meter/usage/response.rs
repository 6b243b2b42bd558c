//! Reads the usage of a response from its bytes as they pass. A response that cannot be read is relayed all the same.

use http::HeaderMap;
use serde::de::DeserializeOwned;

use super::Tokens;
use super::certainty::CostCertainty;
use super::decode::{Decoder, content_encoding};
use super::iterations::{DividedUsage, Models, TopLevel, divide};
use super::lenient::{LenientObject, LenientText};
use super::made_files::{self, MadeFiles};
use super::record::UsageRecord;
use super::reference::{AnswerContainer, Reference, ReferenceKind, conversation};
use super::sse::{SseScanner, StreamUsage};
use super::stop::Stop;
use super::usage_object::Usage;
use crate::service::base::json::{Found, ListElements, ObjectScanner};
use crate::transport::headers::is_media_type;

pub struct ResponseMeter {
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
    scanner: ObjectScanner<6>,
    /// `None` unless files are read.
    blocks: Option<Box<BlockReader>>,
    bytes: usize,
}

/// Reads the blocks of an answer, as far as they name files.
struct BlockReader {
    blocks: ListElements,
    files: MadeFiles,
}

impl ResponseMeter {
    /// Meters a response with these headers; `has_usage` says whether the response should state its usage.
    pub fn new(headers: &HeaderMap, has_usage: bool) -> Self {
        let (decoder, reader) =
            if has_usage { reader_for(headers) } else { (None, BodyReader::Unreadable { expected: false }) };
        Self { decoder, reader, blind: false }
    }

    /// Reads the id of the message, too.
    #[must_use]
    pub fn with_message_id(mut self) -> Self {
        match &mut self.reader {
            BodyReader::Stream(scanner) => scanner.reads_id = true,
            BodyReader::Object(object) => object.scanner = ObjectScanner::new(&ANSWER_KEYS),
            BodyReader::Unreadable { .. } => {}
        }
        self
    }

    /// Reads the files that code has made, too. In a stream they are read in any case: that costs next to nothing.
    #[must_use]
    pub fn with_files(mut self) -> Self {
        if let BodyReader::Object(object) = &mut self.reader {
            object.blocks = Some(Box::new(BlockReader::new()));
        }
        self
    }

    pub fn data(&mut self, bytes: &[u8]) {
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
        self.blind = !readable;
    }

    /// Whether an event stream sent an error event.
    pub fn has_error(&self) -> bool {
        matches!(&self.reader, BodyReader::Stream(scanner) if scanner.seen.has_error)
    }

    /// Grows whenever [`references`](Self::references) may say more.
    pub fn references_told(&self) -> u32 {
        match &self.reader {
            BodyReader::Stream(scanner) => scanner.seen.references_told,
            BodyReader::Object(object) => u32::from(object.scanner.is_complete()),
            BodyReader::Unreadable { .. } => 0,
        }
    }

    /// What later requests may refer to, as far as it was read.
    pub fn references(&self) -> Vec<Reference> {
        self.references_after(0)
    }

    /// As [`references`](Self::references), without the first `files` of the files.
    pub fn references_after(&self, files: usize) -> Vec<Reference> {
        match &self.reader {
            BodyReader::Stream(scanner) => {
                let seen = &scanner.seen;
                let tokens = seen.has_final_count.then(|| conversation(&seen.stated_tokens(), &seen.iterations));
                let message = Reference::message(seen.message.clone(), tokens);
                let container = Reference::container(seen.container.clone());
                message.into_iter().chain(container).chain(seen.files.references_after(files)).collect()
            }
            BodyReader::Object(object) => object.references_after(files),
            BodyReader::Unreadable { .. } => Vec::new(),
        }
    }

    /// Writes what the response used into `record`, which already has the model that was asked. Of a response that is not
    /// complete, the output is estimated.
    pub fn report(&self, record: &mut UsageRecord, is_complete: bool) {
        record.references = self.references();
        match &self.reader {
            BodyReader::Stream(scanner) => report_stream(&scanner.seen, record),
            BodyReader::Object(object) => object.report(record, is_complete),
            BodyReader::Unreadable { expected } => record.no_usage = *expected,
        }
        // The hours of a container have a price, and no usage says them.
        let has_container = record.references.iter().any(|made| made.kind == ReferenceKind::Container);
        record.conditions.is_assumed |= has_container;
        record.cost_certainty = CostCertainty::Exact; // as far as the price assumes nothing
    }
}

fn report_stream(seen: &StreamUsage, record: &mut UsageRecord) {
    record.first_chunk = record.first_byte;
    record.conditions = seen.conditions;
    let top = TopLevel { tokens: seen.stated_tokens(), stated: seen.stated, counted_output: seen.counted_output };
    let (asked, named) = (record.model_asked.as_deref(), seen.model.as_deref());
    let models = Models { asked, named, took_over: seen.took_over.as_deref() };
    let divided = divide(&models, &top, &seen.iterations);
    record.use_divided(divided, &seen.stop, seen.answer_bytes() > 0);
    // What is free costs nothing whatever its last count is.
    let is_free = record.conditions.is_free;
    record.conditions.is_assumed |= !is_free && !seen.has_whole_output();
    record.unparsed_events = seen.unparsed;
    record.no_usage = !seen.has_usage;
    if !is_free && !seen.has_final_count {
        let estimate = (seen.content_bytes / BYTES_PER_TOKEN) as u64;
        record.output_estimated = true;
        record.tokens.output_tokens = record.tokens.output_tokens.max(estimate);
    }
}

impl ObjectReader {
    fn report(&self, record: &mut UsageRecord, is_complete: bool) {
        record.model_answered = parsed(self.scanner.found(MODEL));
        match parsed::<Usage>(self.scanner.found(USAGE)) {
            Some(usage) => {
                record.tokens.merge(&usage.counts());
                usage.describe(&mut record.conditions);
                let stop = Stop {
                    stop_reason: parsed(self.scanner.found(STOP_REASON)).unwrap_or_default(),
                    stop_details: parsed(self.scanner.found(STOP_DETAILS)).unwrap_or_default(),
                };
                let (tokens, counted_output) = (record.tokens, record.tokens.output_tokens);
                let top = TopLevel { tokens, stated: usage.stated(), counted_output };
                let (asked, named) = (record.model_asked.as_deref(), record.model_answered.as_deref());
                let divided = divide(&Models { asked, named, took_over: None }, &top, &usage.iterations.0);
                record.use_divided(divided, &stop, false);
                record.conditions.is_assumed |= !self.scanner.is_complete();
            }
            None => record.no_usage = true,
        }
        // Usage comes last in an answer. A client that leaves earlier has received text, which is estimated here.
        if record.no_usage && !is_complete {
            record.output_estimated = true;
            let content = self.bytes.saturating_sub(OBJECT_OVERHEAD);
            record.tokens.output_tokens = (content / BYTES_PER_TOKEN) as u64;
        }
    }

    fn read(&mut self, bytes: &[u8]) -> bool {
        self.bytes += bytes.len();
        let is_readable = self.scanner.feed(bytes).is_ok();
        if let Some(blocks) = self.blocks.as_mut().filter(|_| is_readable) {
            blocks.read(bytes);
        }
        is_readable
    }

    /// The message, where its id is read, the container, and the files after the first `files`, where they are read.
    fn references_after(&self, files: usize) -> Vec<Reference> {
        let container: Option<LenientObject<AnswerContainer>> = parsed(self.scanner.found(CONTAINER));
        let container = container.and_then(|container| container.0?.id.0);
        let message = parsed::<LenientText>(self.scanner.found(ID)).and_then(|id| id.0).map(|id| {
            let length = parsed::<Usage>(self.scanner.found(USAGE)).map(|usage| {
                let mut tokens = Tokens::default();
                tokens.merge(&usage.counts());
                conversation(&tokens, &usage.iterations.0)
            });
            (id, length)
        });
        let (id, length) = message.unzip();
        let made = Reference::message(id, length.flatten()).into_iter().chain(Reference::container(container));
        made.chain(self.blocks.iter().flat_map(|blocks| blocks.files.references_after(files))).collect()
    }
}

impl BlockReader {
    fn new() -> Self {
        Self { blocks: ListElements::of(&["content"]), files: MadeFiles::default() }
    }

    /// Bytes that are no JSON fail in the reader of usage, too.
    fn read(&mut self, bytes: &[u8]) {
        let Self { blocks, files } = self;
        let _ = blocks.feed(bytes, |block| {
            if made_files::may_name(block)
                && let Ok(block) = serde_json::from_slice(block)
            {
                files.add(block);
            }
        });
    }
}

impl UsageRecord {
    fn use_divided(&mut self, divided: DividedUsage, stop: &Stop, has_text: bool) {
        divided.describe(&mut self.conditions, stop, has_text);
        self.model_answered = divided.model.map(Into::into);
        (self.tokens, self.shares) = (divided.tokens, divided.shares);
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
            Self::Object(object) => object.read(bytes),
            Self::Unreadable { .. } => true,
        }
    }
}

fn reader_for(headers: &HeaderMap) -> (Option<Decoder>, BodyReader) {
    let reader = if is_media_type(headers, "text/event-stream") {
        BodyReader::Stream(Box::default())
    } else if is_media_type(headers, "application/json") {
        let scanner = ObjectScanner::of_first(ID, &ANSWER_KEYS);
        BodyReader::Object(Box::new(ObjectReader { scanner, blocks: None, bytes: 0 }))
    } else {
        BodyReader::Unreadable { expected: true }
    };
    match content_encoding(headers) {
        None => (None, reader),
        Some(encoding) => match Decoder::for_encoding(encoding) {
            Some(decoder) => (Some(decoder), reader),
            None => (None, BodyReader::Unreadable { expected: true }),
        },
    }
}

fn parsed<T: DeserializeOwned>(found: &Found) -> Option<T> {
    match found {
        // Checked here, once, the text is not checked again string by string.
        Found::Value(raw) => str::from_utf8(raw).ok().and_then(|text| serde_json::from_str(text).ok()),
        _ => None,
    }
}

/// The values of an answer that are read. The last one is read only where it is asked for.
const ANSWER_KEYS: [&str; 6] = ["model", "usage", "stop_reason", "stop_details", "container", "id"];

const MODEL: usize = 0;
const USAGE: usize = 1;
const STOP_REASON: usize = 2;
const STOP_DETAILS: usize = 3;
const CONTAINER: usize = 4;
const ID: usize = 5;

/// Bytes of text that count as one token where the final count never came; English has about four.
const BYTES_PER_TOKEN: usize = 4;

/// The bytes of an answer before its text.
const OBJECT_OVERHEAD: usize =
    br#"{"model":"","id":"","type":"message","role":"assistant","content":[{"type":"text","text":""#.len();

#[cfg(test)]
mod tests;
